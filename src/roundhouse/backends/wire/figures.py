"""The figures that a runtime tells of itself, and which of them may be believed. Pure; knows no kind of backend.

What cannot be is as if nobody had told it: with no slots a gate would stay shut for good, with a negative context
nothing would ever fit, and what no machine has would be counted on. Zero is a figure only where something can be none.
"""

from __future__ import annotations

from dataclasses import replace

from roundhouse.core.inference import Deployment
from roundhouse.core.runtimes import UNTOLD, Traits

#: More than this is a mistake: tokens of a context, calls at a time, numbers in an embedding, parameters, bytes.
MOST_TOKENS = 1 << 30
MOST_SLOTS = 1 << 16
MOST_NUMBERS = 1 << 20
MOST_PARAMETERS = 1 << 50
MOST_BYTES = 1 << 50
#: Seconds that loading may have taken, or that somebody waits: a day.
LONGEST_S = 86_400.0
_NANO = 1e-9


def tokens(told: float | None) -> int | None:
    """A context; ``None`` when it cannot be one."""
    return _within(told, 1, MOST_TOKENS)


def slots(told: float | None) -> int | None:
    """Calls at a time; ``None`` when there cannot be so many."""
    return _within(told, 1, MOST_SLOTS)


def parameters(told: float | None) -> int | None:
    """Parameters of a model; ``None`` when it cannot have so many."""
    return _within(told, 1, MOST_PARAMETERS)


def numbers(told: float | None) -> int | None:
    """Numbers in one embedding; ``None`` when there cannot be so many."""
    return _within(told, 1, MOST_NUMBERS)


def size(told: float | None) -> int | None:
    """Bytes of weights; ``None`` when there cannot be so many."""
    return _within(told, 1, MOST_BYTES)


def seconds(told: float | None) -> float | None:
    """How long a load took, or is to be waited; ``None`` when that cannot be."""
    return told if told is not None and 0 <= told <= LONGEST_S else None


def of_nanoseconds(told: int) -> float:
    """The same in seconds; none when it cannot have taken that."""
    return told * _NANO if 0 <= told <= LONGEST_S / _NANO else 0.0


def credible(told: Deployment) -> Deployment:
    """The same without the figures that cannot be; the very same when there are none."""
    context, traits = tokens(told.context), _credible(told.traits)
    return told if context == told.context and traits is told.traits else replace(told, context=context, traits=traits)


def _credible(told: Traits) -> Traits:
    if told is UNTOLD:
        return told
    believed = replace(
        told,
        context_max=tokens(told.context_max),
        slots=slots(told.slots),
        dimension=numbers(told.dimension),
        parameters=parameters(told.parameters),
        memory=size(told.memory),
        # That none of it is on a GPU is something to know.
        vram=_within(told.vram, 0, MOST_BYTES),
        size=size(told.size),
        load_s=seconds(told.load_s),
    )
    return told if believed == told else believed


def _within(told: float | None, least: int, most: int) -> int | None:
    return round(told) if told is not None and least <= told <= most else None
