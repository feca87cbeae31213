"""Who of those who wait is next: by due time, by model where only one fits. A pure function; knows no clock.

A backend that holds one model at a time serves those who want it together, within bounds: nobody is overtaken for
longer than ``collate_s`` after he came, and no model leaves before ``min_residency_s``. Once a swap is decided, nobody
enters until the last call is out, for a swap would cut it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from roundhouse.serving.admission.rules import GateRules


class Waits(Protocol):
    """One who waits."""

    @property
    def model(self) -> str:
        """What the backend calls the model that is wanted."""

    @property
    def slots(self) -> int | None:
        """Calls that this model takes at a time; ``None`` when nobody told."""

    @property
    def arrived(self) -> float:
        """When it came."""


@dataclass(frozen=True, slots=True)
class Hall:
    """Who is inside."""

    #: Calls under way, by model.
    busy: Mapping[str, int]
    #: The model that the backend holds, where it holds one at a time, and since when.
    held: str | None = None
    since: float = 0.0


class Pick(NamedTuple):
    """Who is next."""

    #: The place in the queue; ``None`` when nobody may enter now.
    place: int | None = None
    #: Seconds after which it is worth looking again though nothing happened.
    again_s: float | None = None


NOBODY = Pick()


def pick(waiting: Sequence[Waits], hall: Hall, rules: GateRules, now: float) -> Pick:
    """Who of *waiting*, which is in order of due time, may enter *hall* first."""
    if not waiting:
        return NOBODY
    if hall.held is not None:
        return _collated(waiting, hall, rules, now)
    return next((Pick(index) for index, each in enumerate(waiting) if fits(each.model, each.slots, hall)), NOBODY)


def fits(model: str, slots: int | None, hall: Hall) -> bool:
    """Whether *model* has a free slot."""
    return slots is None or hall.busy.get(model, 0) < slots


def _collated(waiting: Sequence[Waits], hall: Hall, rules: GateRules, now: float) -> Pick:
    head = waiting[0]
    same = next((index for index, each in enumerate(waiting) if each.model == hall.held), None)
    stays_s = hall.since + rules.min_residency_s - now
    if same is not None and (same == 0 or stays_s > 0 or now - head.arrived < rules.collate_s):
        return Pick(same) if fits(waiting[same].model, waiting[same].slots, hall) else NOBODY
    if hall.busy:
        return NOBODY
    return Pick(None, stays_s) if stays_s > 0 else Pick(0)
