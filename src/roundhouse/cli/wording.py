"""Sizes, times, counts and money in words for people. Knows nothing about where they are printed."""

from __future__ import annotations

from datetime import datetime

_STEPS = (("year", 31_557_600.0), ("month", 2_629_800.0), ("day", 86_400.0), ("hour", 3_600.0), ("minute", 60.0))
_NOW_S = 10
_MINUTE, _HOUR, _SECOND_MS = 60, 3600, 1000
#: Below this a number is shown with a decimal.
_SMALL, _THREE_DIGITS, _FOUR_DIGITS = 10, 100, 1000
_LEAST_USD = 0.0001


def size(value: float | None) -> str:
    """Bytes: ``1.1 GiB``; ``-`` when nobody knows."""
    if value is None:
        return "-"
    amount, unit = float(value), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < _FOUR_DIGITS or unit == "TiB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= _THREE_DIGITS else f"{amount:.1f} {unit}"


def count(value: float | None) -> str:
    """A large number: ``8.0B``, ``1.5M``, ``320``."""
    if value is None:
        return "-"
    for unit, step in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= step:
            return f"{value / step:.1f}{unit}"
    return f"{value:.0f}"


def duration(seconds: float | None) -> str:
    """How long: ``0.4 s``, ``43 s``, ``2 min 3 s``, ``1 h 5 min``."""
    if seconds is None:
        return "-"
    if seconds < _SMALL:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def millis(value: float | None) -> str:
    """Milliseconds: ``0.4 ms``, ``230 ms``, ``2.1 s``."""
    if value is None:
        return "-"
    if value >= _SECOND_MS:
        return duration(value / _SECOND_MS)
    return f"{value:.1f} ms" if value < _SMALL else f"{value:.0f} ms"


def ago(then: datetime | None, now: datetime) -> str:
    """How long since: ``3 minutes ago``, ``just now``."""
    if then is None:
        return "-"
    seconds = (now - then).total_seconds()
    for unit, step in _STEPS:
        if seconds >= step:
            number = int(seconds // step)
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return f"{int(seconds)} seconds ago" if seconds >= _NOW_S else "just now"


def money(usd: float | None) -> str:
    """USD: ``$0.0123``; free is ``$0``, unknown is ``-``."""
    if usd is None:
        return "-"
    if usd == 0:
        return "$0"
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}" if usd >= _LEAST_USD else "<$0.0001"


def some(number: int, noun: str) -> str:
    """``1 model``, ``3 models``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """Text without anything that would steer a terminal: names and answers come from strangers."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
