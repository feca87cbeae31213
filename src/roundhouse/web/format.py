"""Numbers and times as people read them. Knows nothing about HTML; the templates use these as filters."""

from collections.abc import Callable
from datetime import datetime

from roundhouse.core.views import TokenPrice

#: Shown where there is no number.
NOTHING = "\N{EN DASH}"

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_KIBI, _KILO = 1024, 1000
#: Cents are enough from here on; below, the digits that matter are further right.
_CENT = 0.01


def size(count: int | None) -> str:
    """Write bytes in binary units: ``1.04 GiB``."""
    if count is None:
        return NOTHING
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < _KIBI or unit == "TiB":
            break
        value /= _KIBI
    return f"{count} B" if unit == "B" else f"{value:.3g} {unit}" if value < _KILO else f"{value:.0f} {unit}"


def count(number: int | None) -> str:
    """Shorten large counts: ``1.54B`` parameters, ``32k`` tokens."""
    if number is None:
        return NOTHING
    for limit, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M")):
        if number >= limit:
            return f"{number / limit:.3g}{letter}"
    if number >= _KIBI and number % _KIBI == 0 and number % _KILO:
        return f"{number // _KIBI}k"
    return f"{number / _KILO:.3g}k" if number >= 10 * _KILO else f"{number:,}"


def duration(milliseconds: float | None) -> str:
    """Say how long something took: ``0.3 ms``, ``212 ms``, ``1.84 s``, ``2 min 3 s``."""
    if milliseconds is None:
        return NOTHING
    seconds = milliseconds / _KILO
    if seconds < 1:
        return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.2g} ms"  # noqa: PLR2004
    if seconds < _MINUTE:
        return f"{seconds:.3g} s"
    return f"{seconds // _MINUTE:.0f} min {seconds % _MINUTE:.0f} s"


def ago(now: datetime) -> Callable[[datetime], str]:
    """Say how long ago, seen from *now*: ``3 min ago``."""

    def relative(then: datetime) -> str:
        seconds = int((now - then).total_seconds())
        if seconds < 5:  # noqa: PLR2004
            return "just now"
        for limit, unit, word in ((_MINUTE, 1, "s"), (_HOUR, _MINUTE, "min"), (_DAY, _HOUR, "h")):
            if seconds < limit:
                return f"{seconds // unit} {word} ago"
        return f"{seconds // _DAY} d ago"

    return relative


def cost(usd: float | None) -> str:
    """Say what a request cost: ``free``, ``$0.0012``, ``unknown``."""
    if usd is None:
        return "unknown"
    if usd == 0:
        return "free"
    return f"${usd:.2f}" if usd >= _CENT else f"${usd:.2g}"


def price(per_million: TokenPrice | None) -> str:
    """Say what a deployment asks, per million tokens in and out."""
    if per_million is None:
        return "price unknown"
    if per_million.input == 0 == per_million.output:
        return "free"
    return f"{cost(per_million.input)} in, {cost(per_million.output)} out per million tokens"
