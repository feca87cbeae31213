"""One model and its children, of which it has one at a time. Knows nothing about others; starts nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from roundhouse.backends.children.child import Child
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


@dataclass(frozen=True, slots=True)
class Lease:
    """What a model takes, and how its child is started."""

    #: Bytes.
    need: int
    #: Until it serves. Raises BackendError.
    start: Callable[[], Awaitable[Loaded]]


class Generation:
    """One model; ``Generations`` moves it from state to state."""

    def __init__(self, name: str) -> None:
        self.name = name
        #: Known from the first load on.
        self.need = 0
        self.state = State.STOPPED
        #: Requests in it, and those that wait for it.
        self.serving = 0
        #: Present as long as the state is READY, and never before.
        self.loaded: Loaded | None = None
        #: Seconds that the last load took.
        self.load_s: float | None = None
        #: It leaves as soon as nobody needs it, and another one takes its place.
        self.is_outdated = False
        self.loading: asyncio.Task[None] | None = None
        self.stopping: asyncio.Task[None] | None = None
        self.idle: asyncio.TimerHandle | None = None
        #: Crashes and failed loads since it last served a request.
        self.failures = 0
        self._retry_at = 0.0
        self._trouble = ""

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
