"""What may be configured of the mlx_lm.server that Roundhouse starts: ``options`` of its section.

Knows nothing about processes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from roundhouse.core.errors import ConfigError

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_SPAN = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*(s|min|h|d)")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_MOST_SLOTS, _MOST_CONTEXT, _MOST_BYTES = 256, 10_000_000, 1 << 50
#: By name, what each must be.
_SENTENCES = {
    "python": "the absolute path of an interpreter that has mlx_lm",
    "model": "the absolute path of a folder with a model of MLX, or the name of one in the library",
    "draft_model": "the absolute path of a folder with a model of MLX, or the name of one in the library",
    "memory": 'a size such as "24GiB"',
    "prompt_cache": 'a size such as "4GiB"',
    "context": "a number of tokens",
    "parallel": f"a number from 1 to {_MOST_SLOTS}",
    "unload_after": 'a length of time such as "5min" or "2h"',
    "preload": "true or false",
}

Option = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Household:
    """How Roundhouse keeps its own mlx_lm.servers."""

    python: Path = field(default_factory=lambda: Path(sys.executable))
    #: A folder, a model of the library, or ``None`` for all of the library.
    model: Path | str | None = None
    draft: Path | str | None = None
    #: Bytes that all models together may take; 0 leaves it to the machine.
    memory: int = 0
    #: Bytes of the caches of one model, tokens of one request and requests at a time; 0 leaves it to the arithmetic.
    prompt_cache: int = 0
    context: int = 0
    slots: int = 0
    idle_s: float = 300.0
    #: Whether the model is loaded before anybody asks.
    preload: bool = False


def household_of(name: str, options: Mapping[str, Option]) -> Household:
    """What the section of backend *name* wishes. Raises ConfigError."""
    for key in options:
        if key not in _SENTENCES:
            message = f"backends.{name}.options has no {key!r} for MLX"
            raise ConfigError(message, hint=f"there is {', '.join(_SENTENCES)}")
    read = _Reader(name, options)
    usual = Household()
    model = read.model("model")
    if options.get("preload") is True and model is None:
        message = f"backends.{name}.options.preload needs `model`: which one?"
        raise ConfigError(message)
    return Household(
        python=read.python() or usual.python,
        model=model,
        draft=read.model("draft_model"),
        memory=read.size("memory"),
        prompt_cache=read.size("prompt_cache"),
        context=read.whole("context", _MOST_CONTEXT),
        slots=read.whole("parallel", _MOST_SLOTS),
        idle_s=read.span("unload_after", usual.idle_s),
        preload=read.switch("preload"),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """The options of one section."""

    name: str
    options: Mapping[str, Option]

    def python(self) -> Path | None:
        key = "python"
        value = self.options.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not Path(value).is_absolute():
            raise self._refusal(key)
        return Path(value)

    def model(self, key: str) -> Path | str | None:
        value = self.options.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or value.startswith((".", "~")):
            raise self._refusal(key)
        return Path(value) if Path(value).is_absolute() else value

    def size(self, key: str) -> int:
        value = self.options.get(key)
        if value is None:
            return 0
        found = _SIZE.fullmatch(str(value)) if not isinstance(value, bool) else None
        if found is None:
            raise self._refusal(key)
        base = 1024 if found[3] else 1000
        size = float(found[1]) * base ** (" kmgt".index(found[2].lower()) if found[2] else 0)
        if not 0 < size <= _MOST_BYTES:
            raise self._refusal(key)
        return int(size)

    def whole(self, key: str, most: int) -> int:
        value = self.options.get(key)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most:
            raise self._refusal(key)
        return value

    def span(self, key: str, usual: float) -> float:
        value = self.options.get(key)
        if value is None:
            return usual
        found = _SPAN.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise self._refusal(key)
        return float(found[1]) * _SECONDS[found[2]]

    def switch(self, key: str) -> bool:
        value = self.options.get(key, False)
        if not isinstance(value, bool):
            raise self._refusal(key)
        return value

    def _refusal(self, key: str) -> ConfigError:
        return ConfigError(f"backends.{self.name}.options.{key} must be {_SENTENCES[key]}, not {self.options[key]!r}")
