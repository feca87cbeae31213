"""How much memory a model needs, and which context fits. Pure; knows nothing about processes.

The needs are what llama.cpp allocates, as far as the model's header tells how it is built, and a rule of thumb from the
file's size where it does not: good enough to keep a machine from swapping. Both err on the large side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from roundhouse.backends.llamacpp.config import BATCH
from roundhouse.backends.llamacpp.shape import Layer, Shape

#: Weights with their buffers, and weights with everything, as multiples of the file.
_WEIGHTS, _WEIGHTS_AND_CACHE = 1.2, 1.5
#: So many tokens of key-value cache weigh as much as the file: within a factor of two of the truth for
#: the usual quantised models with grouped attention (1 B to 8 B), and too much for larger ones.
_TOKENS_PER_FILE = 32_768
#: The part of the machine's memory that models may take when nobody said how much.
AUTO_SHARE = 0.75
#: Bytes of one number in the cache, in 16ths: blocks of 32 numbers have a scale.
CACHE_TYPES = {"f16": 32, "q8_0": 17, "q4_0": 9}
_SIXTEENTHS = 16
#: llama.cpp rounds contexts up to a multiple of so many tokens.
CELLS = 256
#: Bytes of a float, and of one number in the mask of attention.
_FLOAT, _MASK = 4, 2
#: What is said of prompts that are over, for those that begin alike: as much as the slots have, up to so much.
_PROMPTS = 256 << 20
#: The program itself.
_PROGRAM = 40 << 20
#: Below so many tokens a context is of little use: a model that has no room for it is refused.
LEAST_CONTEXT = 2048


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a model takes when loaded."""

    #: All its files, and those that are loaded with it.
    weights: int
    #: What the slots remember.
    cache: int
    #: Room to calculate in, prompts that are over, the program.
    buffers: int
    #: The header told how the model is built; otherwise all of this is guessed from the size of its files.
    from_header: bool = True

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.buffers


@dataclass(frozen=True, slots=True)
class Slots:
    """How many requests a model serves at a time, each with so many tokens, and how it keeps them."""

    #: ``None`` when nobody knows what the model was trained on.
    context: int | None
    parallel: int
    cache_type: str = "f16"
    #: Texts are read in one piece, and none are written.
    reads: bool = False
    #: A model that writes ahead, with as many slots of its own; its file is among the model's.
    draft: Shape | None = None

    @property
    def batch(self) -> int:
        """Tokens that are worked on at a time."""
        return batch_of(self.context or 0, reads=self.reads)


def need_of(size: int, shape: Shape | None, slots: Slots) -> Need:
    """What a model with files of *size* bytes takes when loaded with *slots*."""
    if shape is None or slots.context is None:
        return _guessed(size, slots)
    shapes = [shape] if slots.draft is None else [shape, slots.draft]
    cells = padded(slots.context)
    cache = slots.parallel * sum(many * _kept(layer, cells, slots) for each in shapes for layer, many in each.layers)
    working = sum(_working(each, cells, slots) for each in shapes)
    return Need(size, cache, working + prompt_cache(cache) + _PROGRAM)


def _guessed(size: int, slots: Slots) -> Need:
    if slots.context is None:
        return Need(int(size * _WEIGHTS), int(size * (_WEIGHTS_AND_CACHE - _WEIGHTS)), 0, from_header=False)
    return Need(int(size * _WEIGHTS), size * slots.context * slots.parallel // _TOKENS_PER_FILE, 0, from_header=False)


def padded(tokens: int) -> int:
    """As many tokens as llama.cpp makes room for when it is asked for *tokens*."""
    return -(-tokens // CELLS) * CELLS


def prompt_cache(cache: int) -> int:
    """Bytes for prompts that are over, beside slots that take *cache*."""
    return min(cache, _PROMPTS)


def _kept(layer: Layer, cells: int, slots: Slots) -> int:
    """Bytes that one layer keeps for one slot of *cells* tokens."""
    if layer.window is not None:
        cells = padded(min(cells, layer.window + slots.batch))
    return cells * (layer.keys + layer.values) * CACHE_TYPES[slots.cache_type] // _SIXTEENTHS + layer.state


def batch_of(context: int, *, reads: bool) -> int:
    """Tokens that are worked on at a time: what is made into one vector or one score is read in one piece."""
    return max(context, BATCH) if reads else BATCH


def _working(shape: Shape, cells: int, slots: Slots) -> int:
    """Bytes to calculate one batch in: what comes out of it, two layers at a time, the mask."""
    numbers = 4 * shape.width + 2 * shape.feed + (0 if slots.reads else shape.vocabulary)
    return slots.batch * (_FLOAT * numbers + _MASK * cells)


def fitting_context(wanted: int, budget: int, need_at: Callable[[int], int]) -> int:
    """The most tokens up to *wanted* that need no more than *budget*; *wanted* when not even a useful few do.

    *need_at* says how many bytes a context needs, and never fewer for a larger one.
    """
    least = min(wanted, LEAST_CONTEXT)
    if need_at(wanted) <= budget or need_at(least) > budget:
        return wanted
    steps_fit, steps_do_not = least // CELLS, -(-wanted // CELLS)
    while steps_do_not - steps_fit > 1:
        middle = (steps_fit + steps_do_not) // 2
        if need_at(middle * CELLS) <= budget:
            steps_fit = middle
        else:
            steps_do_not = middle
    return max(least, steps_fit * CELLS)
