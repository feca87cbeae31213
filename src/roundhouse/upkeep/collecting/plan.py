"""Which models go when room is needed, and why. Pure: no disk, no clock; knows nothing about how they are removed.

Worth keeping is what costs much to fetch again and was used not long ago; the least worth goes first. What turns out
not to be needed for the goal is given back at the end, so none goes without need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from roundhouse.core.artifacts import Digest


@dataclass(frozen=True, slots=True)
class Holding:
    """One model, as far as it matters here."""

    model: str
    blobs: frozenset[Digest]
    size: int
    #: When it last answered, or else when it came.
    idle_since: datetime
    #: Seconds that fetching it again would take.
    cost_s: float
    #: Why it must stay whatever is asked, in words that follow "kept:".
    protected: str | None = None
    #: Why it could not be fetched again.
    irreplaceable: str | None = None
    #: What removing it would break.
    warnings: tuple[str, ...] = ()
    #: When it last answered; ``None`` when it never did.
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted."""

    now: datetime
    #: Models that were not used for so long go.
    unused_for: timedelta | None = None
    #: Bytes that models must free.
    needed: int = 0
    #: Take also what could not be fetched again.
    include_irreplaceable: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """One model, judged."""

    holding: Holding
    removed: bool
    reason: str
    #: What it frees once those before it are gone.
    bytes_freed: int = 0


@dataclass(slots=True)
class _Room:
    """Bytes that come free as holders of blobs go."""

    #: Bytes that deleting each blob would free.
    freeable: Mapping[Digest, int]
    holders: Counter[Digest] = field(default_factory=Counter)
    freed: int = 0

    def take(self, holding: Holding) -> int:
        """Let *holding* go; what that frees."""
        before = self.freed
        for digest in holding.blobs:
            self.holders[digest] -= 1
            self.freed += self._weight(digest) if self.holders[digest] == 0 else 0
        return self.freed - before

    def give_back(self, holding: Holding) -> None:
        """Keep *holding* after all."""
        for digest in holding.blobs:
            self.freed -= self._weight(digest) if self.holders[digest] == 0 else 0
            self.holders[digest] += 1

    def _weight(self, digest: Digest) -> int:
        return self.freeable.get(digest, 0)


def judge(
    holdings: Sequence[Holding], freeable: Mapping[Digest, int], goal: Goal, held: Collection[Digest] = ()
) -> tuple[Verdict, ...]:
    """Every model with its verdict: those that go first, in their order; *held* blobs stay whoever goes."""
    ranked = sorted(holdings, key=lambda holding: (_worth(holding, goal), holding.model))
    kept = {holding.model: reason for holding in ranked if (reason := _kept(holding, goal)) is not None}
    free = [holding for holding in ranked if holding.model not in kept]
    taken = _chosen(free, _room(holdings, freeable, held), goal)
    room = _room(holdings, freeable, held)
    gone = [Verdict(each, True, _why(each, goal), room.take(each)) for each in free if each.model in taken]  # noqa: FBT003 - its field
    rest = [each for each in ranked if each.model not in taken]
    return (*gone, *(Verdict(each, False, kept.get(each.model) or _spared(each, goal)) for each in rest))  # noqa: FBT003 - its field


def _room(holdings: Sequence[Holding], freeable: Mapping[Digest, int], held: Collection[Digest]) -> _Room:
    room = _Room(freeable, Counter(held))
    for holding in holdings:
        room.holders.update(holding.blobs)
    return room


def _chosen(free: Sequence[Holding], room: _Room, goal: Goal) -> set[str]:
    """Names of those that go: the old ones, then the least worth until there is room, less those that did not help."""
    old = [holding for holding in free if _is_old(holding, goal)]
    for holding in old:
        room.take(holding)
    taken: list[Holding] = []
    for holding in free:
        if room.freed >= goal.needed:
            break
        if not _is_old(holding, goal):
            room.take(holding)
            taken.append(holding)
    return {holding.model for holding in [*old, *_needed(taken, room, min(goal.needed, room.freed))]}


def _needed(taken: Sequence[Holding], room: _Room, enough: int) -> Iterator[Holding]:
    """Those of *taken* without which there would not be *enough* room; the most worth are given back first."""
    for holding in reversed(taken):
        room.give_back(holding)
        if room.freed < enough:
            room.take(holding)
            yield holding


def _kept(holding: Holding, goal: Goal) -> str | None:
    """Why it stays whatever room is needed; ``None`` when it may go."""
    if holding.protected is not None:
        return holding.protected
    return None if goal.include_irreplaceable else holding.irreplaceable


def _worth(holding: Holding, goal: Goal) -> float:
    """Seconds to fetch it again, per second since it was used."""
    return holding.cost_s / max(1.0, (goal.now - holding.idle_since).total_seconds())


def _is_old(holding: Holding, goal: Goal) -> bool:
    return goal.unused_for is not None and goal.now - holding.idle_since >= goal.unused_for


def _why(holding: Holding, goal: Goal) -> str:
    if _is_old(holding, goal):
        return f"not used for {span(goal.now - holding.idle_since)}"
    idle, cost = span(goal.now - holding.idle_since), span(timedelta(seconds=holding.cost_s))
    return f"room is needed: not used for {idle}, fetched again in {cost}"


def _spared(holding: Holding, goal: Goal) -> str:
    idle = span(goal.now - holding.idle_since)
    return f"there is room enough without it (last used {idle} ago)" if goal.needed else f"last used {idle} ago"


def span(time: timedelta) -> str:
    """A length of time in its largest fitting unit."""
    seconds = max(0, int(time.total_seconds()))
    for unit, step in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= step:
            return f"{seconds // step} {unit}{'s' if seconds >= 2 * step else ''}"
    return f"{seconds} seconds"
