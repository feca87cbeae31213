"""Kinds of settings that say how fast downloads may be. Knows nothing about which settings exist."""

from __future__ import annotations

from collections.abc import Mapping

from roundhouse.core.desks.schedule import Window, take_apart
from roundhouse.settings.kinds import NAMES, Kind, size_of

SOURCES = ("hf", "ollama", "https")
_LIST: Mapping[str, object] = {"type": "array", "items": {"type": "string"}}


def rate_of(text: str) -> int | None:
    """Bytes per second of ``5MB/s``; ``None`` for no limit. Raises ValueError."""
    return None if text.lower() == "none" else size_of(text.removesuffix("/s")) or None


def _window(text: str) -> Window:
    try:
        days, begin, end, rate = take_apart(text)
        return Window(days, begin, end, rate_of(rate), text)
    except ValueError:
        message = 'a list of hours such as ["mon-fri 08:00-18:00 5MB/s", "23:00-06:00 none"]'
        raise ValueError(message) from None


def _windows(raw: object) -> object:
    return tuple(_window(text) for text in _texts(raw))


def _by_source(raw: object) -> object:
    rates: dict[str, int | None] = {}
    for text in _texts(raw):
        source, equals, rate = text.partition("=")
        try:
            if source.strip() not in SOURCES or not equals:
                raise ValueError(text)  # noqa: TRY301 (one way to say no)
            rates[source.strip()] = rate_of(rate.strip())
        except ValueError:
            message = f'a list such as ["hf=5MB/s"], of the sources {", ".join(SOURCES)}'
            raise ValueError(message) from None
    return tuple(rates.items())


def _texts(raw: object) -> tuple[str, ...]:
    checked = NAMES.check(raw)
    return tuple(str(each) for each in checked) if isinstance(checked, tuple) else ()


def _shown_windows(value: object) -> object:
    return [each.text for each in value if isinstance(each, Window)] if isinstance(value, tuple) else value


def _shown_rates(value: object) -> object:
    return [f"{name}={rate or 'none'}" for name, rate in value] if isinstance(value, tuple) else value


SCHEDULE = Kind("list of hours", NAMES.from_text, _windows, _shown_windows, schema=_LIST)
RATES_BY_SOURCE = Kind("list of rates", NAMES.from_text, _by_source, _shown_rates, schema=_LIST)
