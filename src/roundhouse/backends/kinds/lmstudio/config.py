"""What may be configured of one LM Studio beside its address: ``options`` of its section. Knows nothing about HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from roundhouse.backends.wire.figures import MOST_TOKENS
from roundhouse.core.errors import ConfigError

_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(s|min|h|d)")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
#: Blanks will do, too, for in an environment variable commas part the options.
_BETWEEN = re.compile(r"\s*,\s*|\s+")
_NEVER, _FOREVER_S = "never", float("inf")
#: As long as LM Studio itself keeps what it loads just in time, unless it is told otherwise.
_USUAL_S = 3600.0
#: By name, what each must be.
_SENTENCES = {
    "context": "a number of tokens",
    "unload_after": 'a length of time such as "30min" or "2h", or "never"',
    "preload": 'names of models such as "qwen/qwen3-4b,gemma-3-1b"',
}


@dataclass(frozen=True, slots=True)
class Policy:
    """How one LM Studio is used."""

    #: What models are loaded with; ``None`` is what requests need.
    context: int | None = None
    #: Seconds without a request after which a model that requests had loaded is let go of.
    unload_after_s: float | None = None
    #: Models that are loaded before anybody asks.
    preload: tuple[str, ...] = ()

    @property
    def keep_s(self) -> float:
        """Seconds that a copy of ours stays unused, where that is ours to say."""
        return _USUAL_S if self.unload_after_s is None else self.unload_after_s

    @property
    def ttl_s(self) -> float | None:
        """The same where it is LM Studio's to do; ``None`` leaves it to its own settings."""
        return None if self.unload_after_s == _FOREVER_S else self.unload_after_s


def policy_of(name: str, options: Mapping[str, str | int | float | bool]) -> Policy:
    """The policy of backend *name*. Raises ConfigError."""
    for key in options:
        if key not in _SENTENCES:
            message = f"backends.{name}.options has no {key!r} for LM Studio"
            raise ConfigError(message, hint=f"there is {', '.join(_SENTENCES)}")
    read = _Reader(name, options)
    return Policy(read.tokens("context"), read.span("unload_after"), read.names("preload"))


@dataclass(frozen=True, slots=True)
class _Reader:
    """The options of one section."""

    name: str
    options: Mapping[str, str | int | float | bool]

    def tokens(self, key: str) -> int | None:
        value = self.options.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MOST_TOKENS:
            raise self._refusal(key)
        return value

    def span(self, key: str) -> float | None:
        value = self.options.get(key)
        if value is None:
            return None
        if value == _NEVER:
            return _FOREVER_S
        found = _SPAN.fullmatch(value) if isinstance(value, str) else None
        if found is None or not float(found[1]):
            raise self._refusal(key)
        return float(found[1]) * _SECONDS[found[2]]

    def names(self, key: str) -> tuple[str, ...]:
        value = self.options.get(key)
        if value is None:
            return ()
        names = tuple(_BETWEEN.split(value)) if isinstance(value, str) else ()
        if not names or not all(names):
            raise self._refusal(key)
        return tuple(dict.fromkeys(names))

    def _refusal(self, key: str) -> ConfigError:
        return ConfigError(f"backends.{self.name}.options.{key} must be {_SENTENCES[key]}, not {self.options[key]!r}")
