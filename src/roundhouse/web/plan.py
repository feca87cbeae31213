"""The house seen from above: a turntable, its tracks, and one stall per model.

Knows nothing about SVG beyond coordinates, and nothing about requests beyond which model served last.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from roundhouse.core.views import Model

Standing = Literal["loaded", "disk", "remote", "empty"]

#: The drawing's own units.
_CENTRE_X, _CENTRE_Y = 170.0, 162.0
_TABLE, _DOOR, _WALL, _NUMBER = 30.0, 78.0, 132.0, 147.0
_FEWEST, _MOST = 9, 17
#: Degrees that the house spans around the table, open towards the yard below.
_SPAN = 220.0


@dataclass(frozen=True, slots=True)
class Point:
    """A place in the drawing."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Stall:
    """One stall: its track, its walls and what stands in it."""

    number: int
    standing: Standing
    title: str
    #: The track, from the table's rim to the buffer.
    rim: Point
    buffer: Point
    #: Where the engine stands on it.
    nose: Point
    tail: Point
    #: The left wall, from the door to the back.
    door: Point
    corner: Point
    label: Point


@dataclass(frozen=True, slots=True)
class HousePlan:
    """The whole drawing."""

    stalls: tuple[Stall, ...]
    #: The two ends of the bridge on the turntable.
    bridge: tuple[Point, Point]
    #: The last wall, and the back wall as corners in order.
    last_wall: tuple[Point, Point]
    back: tuple[Point, ...]
    #: Models that have no stall in the drawing.
    unseen: int


def draw(models: Sequence[Model], served: str | None) -> HousePlan:
    """Lay the house out: *models* in order, the bridge towards the one that *served* last."""
    seen = list(models[:_MOST])
    step = _SPAN / max(_FEWEST, len(seen))
    total = max(_FEWEST, len(seen))
    first = -90 - _SPAN / 2
    stalls = tuple(
        _stall(index, seen[index] if index < len(seen) else None, first + step * index, step) for index in range(total)
    )
    end = first + _SPAN
    angle = next((_middle(first, step, i) for i, model in enumerate(seen) if model.name == served), 90.0)
    last = (_at(end, _DOOR), _at(end, _WALL))
    back = (*(stall.corner for stall in stalls), last[1])
    return HousePlan(stalls, (_at(angle, _TABLE), _at(angle + 180, _TABLE)), last, back, len(models) - len(seen))


def _middle(first: float, step: float, index: int) -> float:
    return first + step * (index + 0.5)


def _stall(index: int, model: Model | None, start: float, step: float) -> Stall:
    middle = start + step / 2
    standing = standing_of(model)
    words = {"loaded": "in memory", "disk": "on disk", "remote": "remote", "empty": "empty"}[standing]
    return Stall(
        number=index + 1,
        standing=standing,
        title=f"{model.name}: {words}" if model else "an empty stall",
        rim=_at(middle, _TABLE + 5),
        buffer=_at(middle, _WALL - 8),
        nose=_at(middle, _DOOR + 12),
        tail=_at(middle, _WALL - 14),
        door=_at(start, _DOOR),
        corner=_at(start, _WALL),
        label=_at(middle, _NUMBER),
    )


def standing_of(model: Model | None) -> Standing:
    """Where the weights of *model* are: what another runtime of this machine holds is on its disk, too."""
    if model is None:
        return "empty"
    if model.loaded:
        return "loaded"
    is_here = model.local or (bool(model.deployments) and not model.leaves_machine)
    return "disk" if is_here else "remote"


def _at(degrees: float, radius: float) -> Point:
    angle = math.radians(degrees)
    return Point(round(_CENTRE_X + radius * math.cos(angle), 1), round(_CENTRE_Y + radius * math.sin(angle), 1))
