"""A model that may be loaded, and what it may take. Knows nothing about other models, and starts nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from roundhouse.backends.children.residents import HouseRules
from roundhouse.backends.llamacpp.abilities import guess
from roundhouse.backends.llamacpp.config import NOTHING, Extras
from roundhouse.backends.llamacpp.gpu import Load
from roundhouse.backends.llamacpp.memory import Need, Slots, fitting_context, need_of
from roundhouse.backends.llamacpp.shape import Shape
from roundhouse.core.inference import Capability
from roundhouse.core.runtimes import UNTOLD, Traits

#: More than any model has.
_ANY_LAYERS = 10_000
_MAX_CONTEXT, _UNKNOWN_CONTEXT = 8192, 4096


@dataclass(frozen=True, slots=True)
class RuntimeLimits(HouseRules):
    """What the embedded runtime may take."""

    more_memory: ClassVar[str] = "allow more with `runtime.memory`, or ask for less `runtime.context`"

    #: Requests that one model serves at a time.
    parallel: int = 4
    #: Tokens of one request; 0 is the model's own, up to 8192.
    context: int = 0
    #: Threads of one model; 0 leaves it to llama.cpp.
    threads: int = 0
    #: For reading the weights from a slow disk.
    load_s: float = 600.0
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
