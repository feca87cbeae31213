"""The kind of setting that holds what only one kind of backend knows. Knows nothing about which there are."""

from __future__ import annotations

import re
from collections.abc import Mapping

from roundhouse.settings.kinds import NAMES, Kind

Option = str | int | float | bool
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_WHOLE, _NUMBER = re.compile(r"[+-]?\d{1,15}"), re.compile(r"[+-]?\d{1,15}\.\d{1,15}")
_SWITCHES = {"true": True, "false": False}
_SENTENCE = 'a list such as ["num_ctx=16384", "keep_alive=30m"], each name once'


def value_of(text: str) -> Option:
    """What *text* most simply is: a switch, a number, or text."""
    if text in _SWITCHES:
        return _SWITCHES[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _options(raw: object) -> object:
    options: dict[str, Option] = {}
    for each in _texts(raw):
        name, equals, value = (part.strip() for part in each.partition("="))
        if not equals or not value or not _NAME.fullmatch(name) or name in options:
            raise ValueError(_SENTENCE)
        options[name] = value_of(value)
    return tuple(options.items())


def _texts(raw: object) -> tuple[str, ...]:
    try:
        checked = NAMES.check(raw)
    except ValueError:
        raise ValueError(_SENTENCE) from None
    return tuple(str(each) for each in checked) if isinstance(checked, tuple) else ()


def _shown(value: object) -> object:
    if not isinstance(value, tuple):
        return value
    return [f"{name}={str(each).lower() if isinstance(each, bool) else each}" for name, each in value]


_SCHEMA: Mapping[str, object] = {"type": "array", "items": {"type": "string"}}
OPTIONS = Kind("list of options", NAMES.from_text, _options, _shown, schema=_SCHEMA)
