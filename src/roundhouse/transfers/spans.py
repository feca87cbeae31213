"""Stretches of a file: which are taken, and which are left. Pure; knows nothing about what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

#: The first byte, and the first one after it.
Span = tuple[int, int]


def merged(taken: Iterable[Span]) -> Sequence[Span]:
    """The same bytes in as few spans as they can be said in, in order."""
    result: list[Span] = []
    for first, last in sorted(taken):
        if result and first <= result[-1][1]:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return result


def gaps(taken: Iterable[Span], end: int) -> Iterator[Span]:
    """What *taken* leaves of a file of *end* bytes, in order."""
    position = 0
    for first, last in sorted(taken):
        if min(first, end) > position:
            yield position, min(first, end)
        position = max(position, last)
    if position < end:
        yield position, end


def front(taken: Iterable[Span]) -> int:
    """How far *taken* reaches from the first byte on without a gap."""
    position = 0
    for first, last in sorted(taken):
        if first > position:
            break
        position = max(position, last)
    return position


def aligned(position: int, grain: int) -> int:
    """The first multiple of *grain* that is not before *position*."""
    return -(-position // grain) * grain
