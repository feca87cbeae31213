"""What providers say of their limits in headers: ``x-ratelimit-*``, ``anthropic-ratelimit-*``.

Knows nothing about what is done with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from roundhouse.backends.wire import figures

_PREFIX, _ANTHROPIC = "x-ratelimit-", "anthropic-ratelimit-"
_MOST, _LONGEST = 16, 64
_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
#: What Anthropic writes after the name of a limit, and others before it.
_LAST = re.compile(r"(.+)-(limit|remaining|reset)")


def limits_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The limits by their names without the prefix, in OpenAI's manner; a few short ones, because others write them.

    Where a limit is used up until some hour, that is told in seconds, by the clock of whoever said so.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    named = {name.removeprefix(_PREFIX): value for name, value in lower.items() if name.startswith(_PREFIX)}
    for name, value in lower.items():
        if name.startswith(_ANTHROPIC) and (found := _LAST.fullmatch(name.removeprefix(_ANTHROPIC))) is not None:
            named[f"{found[2]}-{found[1]}"] = _span_until(value, lower.get("date", "")) or value
    return dict([each for each in named.items() if max(map(len, each)) <= _LONGEST][:_MOST])


def wait_of(limits: Mapping[str, str]) -> float | None:
    """Seconds until what is used up is there again; of several, the longest. ``None`` when nothing is used up."""
    waits = [
        seconds_of(value)
        for name, value in limits.items()
        if name.startswith("reset-") and limits.get(f"remaining-{name.removeprefix('reset-')}") == "0"
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def spent_s(headers: Mapping[str, str]) -> float | None:
    """Seconds until what an answer has used up is there again; nearly always ``None``, after one look at the values."""
    return wait_of(limits_of(headers)) if "0" in headers.values() else None


def seconds_of(text: str) -> float | None:
    """Seconds in ``6m0s``, ``20ms`` or ``1.5s``; a bare number may be a date as well, so it tells nothing.

    ``None`` is also what nobody would wait for.
    """
    match = _SPAN.fullmatch(text)
    if not text or match is None:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return figures.seconds(hours * 3600 + minutes * 60 + seconds + milliseconds / 1e3)


def _span_until(text: str, now: str) -> str | None:
    """How long it is from *now* (HTTP's way of writing it) to *text* (RFC 3339); ``None`` when one is neither."""
    try:
        wait = datetime.fromisoformat(text) - parsedate_to_datetime(now)
    except (ValueError, TypeError, OverflowError):
        return None
    return f"{max(0.0, round(wait.total_seconds(), 3))}s"
