"""Kinds of settings that give something to models: adapters, a draft. Knows nothing about which models there are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from roundhouse.settings.kinds import NAMES, Kind

#: A model, a file, and how much of it counts.
Adapter = tuple[str, Path, float]
_SCALE = re.compile(r"@(-?\d{1,3}(?:\.\d{1,6})?)$")
_ADAPTERS = 'a list such as ["acme/tiny:Q4_K_M=/srv/style.gguf@0.8"], with whole paths'
_DRAFTS = 'a list such as ["acme/large:Q4_K_M=acme/tiny:Q4_K_M"], each model once'


def _adapters(raw: object) -> object:
    return tuple(_adapter(*pair) for pair in _pairs(raw, _ADAPTERS))


def _adapter(model: str, text: str) -> Adapter:
    scale = _SCALE.search(text)
    path = Path(text[: scale.start()] if scale else text)
    try:
        path = path.expanduser()
    except RuntimeError:
        raise ValueError(_ADAPTERS) from None
    if not path.is_absolute():
        raise ValueError(_ADAPTERS)
    return model, path, float(scale[1]) if scale else 1.0


def _drafts(raw: object) -> object:
    pairs = _pairs(raw, _DRAFTS)
    if len(dict(pairs)) != len(pairs):
        raise ValueError(_DRAFTS)
    return pairs


def _pairs(raw: object, sentence: str) -> tuple[tuple[str, str], ...]:
    """What stands on both sides of each first equals sign. Raises ValueError."""
    try:
        texts = NAMES.check(raw)
    except ValueError:
        raise ValueError(sentence) from None
    pairs = []
    for text in texts if isinstance(texts, tuple) else ():
        name, _, value = (part.strip() for part in str(text).partition("="))
        if not name or not value:
            raise ValueError(sentence)
        pairs.append((name, value))
    return tuple(pairs)


def _show_adapters(value: object) -> object:
    return [f"{model}={path}@{scale:g}" for model, path, scale in value] if isinstance(value, tuple) else value


def _show_drafts(value: object) -> object:
    return [f"{model}={draft}" for model, draft in value] if isinstance(value, tuple) else value


_LIST: Mapping[str, object] = {"type": "array", "items": {"type": "string"}}
ADAPTERS = Kind("list of adapters", NAMES.from_text, _adapters, _show_adapters, schema=_LIST)
DRAFTS = Kind("list of drafts", NAMES.from_text, _drafts, _show_drafts, schema=_LIST)
