"""What providers say of their limits in headers, ``x-ratelimit-*``. Knows nothing about what is done with it."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PREFIX = "x-ratelimit-"
_MOST, _LONGEST = 16, 64
_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


def limits_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The limits by their names without the prefix; a few short ones, because others write them."""
    named = {name.lower().removeprefix(_PREFIX): value for name, value in headers.items() if _is_limit(name)}
    return dict([each for each in named.items() if len(each[1]) <= _LONGEST][:_MOST])


def wait_of(limits: Mapping[str, str]) -> float | None:
    """Seconds until what is used up is there again; of several, the longest. ``None`` when nothing is used up."""
    waits = [
        seconds_of(value)
        for name, value in limits.items()
        if name.startswith("reset-") and limits.get(f"remaining-{name.removeprefix('reset-')}") == "0"
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def seconds_of(text: str) -> float | None:
    """Seconds in ``6m0s``, ``20ms`` or ``1.5s``; a bare number may be a date as well, so it tells nothing."""
    match = _SPAN.fullmatch(text)
    if not text or match is None:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1e3


def _is_limit(name: str) -> bool:
    return name.lower().startswith(_PREFIX)
