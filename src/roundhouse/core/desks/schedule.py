"""Hours of the week in which another bandwidth holds, such as ``mon-fri 08:00-18:00 5MB/s``. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
_WINDOW = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?\s+)?(?P<begin>\d\d:\d\d)\s*-\s*(?P<end>\d\d:\d\d)\s+(?P<rate>\S+)",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Window:
    """Some hours of some days; those that end before they begin reach into the next day."""

    days: frozenset[int]
    #: Minutes after midnight, by the clock of this machine.
    begin: int
    end: int
    #: Bytes per second; ``None`` is no limit of its own.
    bandwidth: int | None
    #: As it was written.
    text: str

    def holds(self, moment: datetime) -> bool:
        """Whether *moment*, in local time, is inside."""
        minute, day = moment.hour * 60 + moment.minute, moment.weekday()
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        before = (day - 1) % len(DAYS)
        return (day in self.days and minute >= self.begin) or (before in self.days and minute < self.end)


def holding(windows: Sequence[Window], moment: datetime) -> Window | None:
    """The first of *windows* that *moment*, in local time, is inside of."""
    return next((window for window in windows if window.holds(moment)), None)


def take_apart(text: str) -> tuple[frozenset[int], int, int, str]:
    """Days, begin and end in minutes, and the rate as it was written. Raises ValueError."""
    parts = _WINDOW.fullmatch(text.strip())
    if parts is None:
        raise ValueError(text)
    begin, end = _minutes(parts["begin"]), _minutes(parts["end"])
    return _days(parts["first"], parts["last"]), begin, end, parts["rate"]


def _minutes(text: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if minute > 59 or hour * 60 + minute > _DAY_MINUTES:  # noqa: PLR2004 (minutes of an hour)
        raise ValueError(text)
    return hour * 60 + minute


def _days(first: str | None, last: str | None) -> frozenset[int]:
    if first is None:
        return frozenset(range(len(DAYS)))
    begin = DAYS.index(first.lower())
    count = (DAYS.index(last.lower()) - begin) % len(DAYS) + 1 if last else 1
    return frozenset((begin + more) % len(DAYS) for more in range(count))
