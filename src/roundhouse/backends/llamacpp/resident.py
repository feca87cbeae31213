"""One model in memory or not, and what it may take. Knows nothing about other models, and starts nothing itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from roundhouse.backends.llamacpp.abilities import guess
from roundhouse.backends.llamacpp.child import Child
from roundhouse.backends.llamacpp.config import NOTHING, Extras
from roundhouse.backends.llamacpp.gpu import Load
from roundhouse.backends.llamacpp.memory import Need, Slots, Tenant, fitting_context, need_of
from roundhouse.backends.llamacpp.shape import Shape
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.core.errors import BackendError
from roundhouse.core.inference import Capability
from roundhouse.core.runtimes import UNTOLD, Traits

#: More than any model has.
_ANY_LAYERS = 10_000
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
    #: Models that are in memory from the start, stay there, and make room for nobody.
    pinned: tuple[str, ...] = ()
    #: How slots keep what was said: ``f16``, ``q8_0`` or ``q4_0``.
    cache_type: str = "f16"
    #: Layers of each model on graphics cards; ``None`` is as many as fit.
    gpu_layers: int | None = None

    def context_of(self, trained: int | None) -> int:
        """Tokens of one request to a model that was *trained* on so many."""
        wanted = self.context or min(trained or _UNKNOWN_CONTEXT, _MAX_CONTEXT)
        return min(wanted, trained or wanted)

    def need_of(self, size: int, trained: int | None) -> Need:
        """Memory for a model of *size* bytes that was *trained* on so many tokens, when no more is known of it."""
        return need_of(size, None, Slots(None if trained is None else self.context_of(trained), self.parallel))

    def cache_type_of(self, shape: Shape | None) -> str:
        """How the slots of such a model keep what was said: as is wanted, where that can be."""
        return self.cache_type if shape is not None and shape.in_blocks else "f16"

    def fit(self, model: LoadableModel, taken: int = 0) -> Fit:
        """How *model* is loaded beside others that stay and have *taken* their room.

        With the context that is wanted, or the largest useful one there is room for.
        """
        wanted, kept_as = self.context_of(model.context), self.cache_type_of(model.shape)
        is_guess = model.shape is None and model.context is None

        def need_at(context: int) -> Need:
            tokens = None if is_guess else context
            slots = Slots(tokens, self.parallel, kept_as, reads=model.reads, draft=model.draft)
            return need_of(model.size, model.shape, slots)

        context = fitting_context(wanted, self.memory - taken, lambda tokens: need_at(tokens).total)
        return Fit(context, wanted, need_at(context))

    def gpu_load(self, model: LoadableModel, need: Need) -> Load | None:
        """What putting *model* on graphics cards takes; ``None`` when nobody knows and nobody cares."""
        if model.shape is None:
            return None if self.gpu_layers is None else Load(_ANY_LAYERS, 0, 0, self.gpu_layers)
        layers = sum(many for _, many in model.shape.layers)
        return Load(layers + 1, -(-(need.weights + need.cache) // layers), need.buffers, self.gpu_layers)


@dataclass(frozen=True, slots=True)
class Fit:
    """How a model is loaded."""

    #: Tokens of one request, and how many there would be with more memory.
    context: int
    wanted: int
    need: Need

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of it."""
        if self.context == self.wanted:
            return ()
        cut = f"requests have {self.context:,} tokens each instead of {self.wanted:,}"
        return (f"{cut}: there is no memory for more (`runtime.memory`, `runtime.parallel`)",)


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
    #: What is known of its weights: quantisation, parameters, digest and where they came from.
    traits: Traits = UNTOLD
    #: How it is built, as far as its header tells.
    shape: Shape | None = None
    #: Why it may not be loaded, in words that follow its name; ``None`` when it may.
    barred: str | None = None
    #: What its header says that it can do; empty as long as that was not read.
    abilities: frozenset[Capability] = frozenset()
    extras: Extras = NOTHING
    #: How its draft is built, if it has one and that is known.
    draft: Shape | None = None
    #: What a person should know of it.
    warnings: tuple[str, ...] = ()

    @property
    def can(self) -> frozenset[Capability]:
        """What it can do, as far as is known."""
        return self.abilities or guess(self.architecture, has_chat_template=self.has_chat_template)

    @property
    def reads(self) -> bool:
        """Whether it makes vectors or scores, and writes nothing."""
        return Capability.COMPLETION not in self.can


@dataclass(frozen=True, slots=True)
class Loaded:
    """A child that serves, and the way to it."""

    child: Child
    client: OpenAICompatible


class Resident:
    """One model; ``Residents`` moves it from state to state."""

    def __init__(self, model: LoadableModel, fit: Fit, *, pinned: bool = False) -> None:
        self.model = model
        self.fit = fit
        self.is_pinned = pinned
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
        #: Seconds that loading took the last time, and the bytes that lie on graphics cards.
        self.load_s: float | None = None
        self.vram: int | None = None
        self._retry_at = 0.0
        self._trouble = ""

    @property
    def tenant(self) -> Tenant:
        """The same for who makes room: one that comes, goes or is pinned is not told to leave."""
        return Tenant(self.need, self.serving if self.state is State.READY and not self.stays else max(1, self.serving))

    @property
    def stays(self) -> bool:
        """Whether it is in memory and leaves for nobody."""
        return self.is_pinned and not self.is_outdated and self.state is State.READY

    @property
    def need(self) -> int:
        """Bytes that it takes when loaded."""
        return self.fit.need.total

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
