"""Errors without our own keys, in whatever a server repeats of them. Pure; knows no dialect.

What a server says is cut before anybody here knows whose keys are in it, so the beginning of a key counts as one where
something was cut. Whatever cuts says so with ``…``.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from urllib.parse import quote

from roundhouse.core.errors import RoundhouseError

HIDDEN = "…"
#: Characters of a cut key that may be told: they are the same for all keys of a provider.
_TOLD = 4


def hide(error: RoundhouseError, keys: Collection[str]) -> None:
    """Take *keys* out of all that *error* tells."""
    if not keys:
        return
    forms = _forms(keys)
    error.message = _without(error.message, forms)
    error.args = (error.message,)
    error.details = {name: _cleaned(value, forms) for name, value in error.details.items()}


def _forms(keys: Collection[str]) -> list[str]:
    """The ways in which servers write *keys*, the longest first: plain, in JSON, addresses, names of headers."""
    said: set[str] = set()
    for key in keys:
        said |= {key, json.dumps(key)[1:-1], key.replace("/", "\\/"), quote(key, safe=""), key.lower()}
    return sorted(said - {""}, key=len, reverse=True)


def _cleaned(value: object, forms: list[str]) -> object:
    if isinstance(value, str):
        return _without(value, forms)
    if isinstance(value, dict):
        return {_cleaned(name, forms): _cleaned(each, forms) for name, each in value.items()}
    return [_cleaned(each, forms) for each in value] if isinstance(value, list) else value


def _without(text: str, forms: list[str]) -> str:
    for form in forms:
        text = text.replace(form, HIDDEN)
    if HIDDEN not in text:
        return text
    for form in forms:
        for length in range(len(form) - 1, _TOLD - 1, -1):
            text = text.replace(form[:length] + HIDDEN, HIDDEN)
    return text
