"""One model and its children, of which it has one at a time. Knows nothing about others; starts nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from roundhouse.backends.children.child import Child
from roundhouse.backends.children.eviction import Tenant
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.core.errors import BackendError

_BACKOFF_S, _MAX_BACKOFF_S = 0.5, 30.0


class State(StrEnum):
    """Where a model is."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A child that serves, and the way to it."""

    child: Child
    client: OpenAICompatible
    #: Bytes that lie on graphics cards; ``None`` when nobody counts them.
    vram: int | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """What a model takes, and how its child is started."""

    #: Bytes.
    need: int
    #: Tokens of one request.
    context: int
    #: Until it serves. Raises BackendError.
    start: Callable[[], Awaitable[Loaded]]


class Resident:
    """One model; ``Residents`` moves it from state to state."""

    def __init__(self, name: str, lease: Callable[[], Awaitable[Lease]], *, pin: str | None = None) -> None:
        self.name = name
        #: What it takes if it is loaded now. Raises BackendError, CapacityError.
        self.lease = lease
        #: The setting that keeps it in memory; ``None`` when it may leave.
        self.pin = pin
        #: Bytes that it takes when loaded; known from the first load on.
        self.need = 0
        self.state = State.STOPPED
        #: Requests in it, and those that wait for it.
        self.serving = 0
        #: Present as long as the state is READY, and never before.
        self.loaded: Loaded | None = None
        #: It leaves as soon as nobody needs it, and another one takes its place.
        self.is_outdated = False
        self.loading: asyncio.Task[None] | None = None
        self.stopping: asyncio.Task[None] | None = None
        self.idle: asyncio.TimerHandle | None = None
        #: Crashes and failed loads since it last served a request.
        self.failures = 0
        #: Seconds that loading took the last time.
        self.load_s: float | None = None
        self._retry_at = 0.0
        self._trouble = ""

    @property
    def tenant(self) -> Tenant:
        """The same for who makes room: one that comes, goes or is pinned is not told to leave."""
        return Tenant(self.need, self.serving if self.state is State.READY and not self.stays else max(1, self.serving))

    @property
    def stays(self) -> bool:
        """Whether it is in memory and leaves for nobody."""
        return self.pin is not None and not self.is_outdated and self.state is State.READY

    def stay(self) -> None:
        """Stop waiting for the end of an idle time."""
        if self.idle is not None:
            self.idle.cancel()
            self.idle = None

    def succeeded(self) -> None:
        """Note that it served a request: what went wrong before is over."""
        self.failures, self._retry_at = 0, 0.0

    def failed(self, trouble: str, now: float) -> None:
        """Note a crash or a failed load; the first is forgiven at once, the next ones are not."""
        self._trouble = trouble
        if self.failures:
            self._retry_at = now + min(_BACKOFF_S * 2.0 ** min(self.failures - 1, 10), _MAX_BACKOFF_S)
        self.failures += 1

    def check_backoff(self, now: float) -> None:
        """Raise BackendError while it is left alone after repeated failures."""
        if now < self._retry_at:
            message = f"{self.name} is left alone for a moment after {self.failures} failures: {self._trouble}"
            raise BackendError(message, retry_after_s=self._retry_at - now)
