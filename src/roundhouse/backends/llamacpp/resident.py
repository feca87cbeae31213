"""One model in memory or not, and what it may take. Knows nothing about other models, and starts nothing itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from roundhouse.backends.llamacpp.child import Child
from roundhouse.backends.llamacpp.config import NOTHING, Extras
from roundhouse.backends.llamacpp.memory import Tenant, need_of
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.core.errors import BackendError
from roundhouse.core.inference import Capability

_MAX_CONTEXT, _UNKNOWN_CONTEXT = 8192, 4096
_BACKOFF_S, _MAX_BACKOFF_S = 0.5, 30.0


class State(StrEnum):
    """Where a model is."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class RuntimeLimits:
    """What the embedded runtime may take."""

    #: Bytes that all loaded models may take together.
    memory: int
    #: A model that served nothing for so long is unloaded.
    idle_s: float = 300.0
    #: Requests that one model serves at a time.
    parallel: int = 4
    #: Tokens of one request; 0 is the model's own, up to 8192.
    context: int = 0
    #: Threads of one model; 0 leaves it to llama.cpp.
    threads: int = 0
    #: For reading the weights from a slow disk.
    load_s: float = 600.0
    #: A child that serves and answers nothing for so long, not even how it is, is killed.
    hang_s: float = 20.0
    #: How long a model waits for others to finish before it gives up.
    room_s: float = 30.0

    def context_of(self, trained: int | None) -> int:
        """Tokens of one request to a model that was *trained* on so many."""
        wanted = self.context or min(trained or _UNKNOWN_CONTEXT, _MAX_CONTEXT)
        return min(wanted, trained or wanted)


@dataclass(frozen=True, slots=True)
class LoadableModel:
    """A model that the library holds, as far as it matters for loading it."""

    name: str
    #: The file to load; of several, the first.
    path: Path
    #: Bytes of all its files.
    size: int
    #: Tokens that it was trained on.
    context: int | None = None
    architecture: str | None = None
    has_chat_template: bool = False
    #: Why it may not be loaded, in words that follow its name; ``None`` when it may.
    barred: str | None = None
    #: What its header says that it can do; empty as long as that was not read.
    abilities: frozenset[Capability] = frozenset()
    extras: Extras = NOTHING
    #: Names its adapters; ``None`` when it has none.
    variant: str | None = None
    #: What a person should know of it.
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A child that serves, and the way to it."""

    child: Child
    client: OpenAICompatible


class Resident:
    """One model; ``Residents`` moves it from state to state."""

    def __init__(self, model: LoadableModel, limits: RuntimeLimits) -> None:
        self.model = model
        self.context = limits.context_of(model.context)
        self.need = need_of(model.size, None if model.context is None else self.context * limits.parallel)
        self.state = State.STOPPED
        #: Requests in it, and those that wait for it.
        self.serving = 0
        #: Present as long as the state is READY, and never before.
        self.loaded: Loaded | None = None
        #: The library changed under it: it leaves as soon as nobody needs it.
        self.is_outdated = False
        self.loading: asyncio.Task[None] | None = None
        self.stopping: asyncio.Task[None] | None = None
        self.idle: asyncio.TimerHandle | None = None
        #: Crashes and failed loads since it last served a request.
        self.failures = 0
        self._retry_at = 0.0
        self._trouble = ""

    @property
    def tenant(self) -> Tenant:
        """The same for who makes room: one that is coming or going cannot be told to leave."""
        return Tenant(self.need, self.serving if self.state is State.READY else 1)

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
            message = f"{self.model.name} is left alone for a moment after {self.failures} failures: {self._trouble}"
            raise BackendError(message, retry_after_s=self._retry_at - now)
