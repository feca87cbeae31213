"""What may be configured of one Ollama beside its address: ``options`` of its section. Knows nothing about HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from roundhouse.backends.kinds.ollama.facts import Limits
from roundhouse.core.errors import ConfigError

_DURATION = re.compile(r"-?\d+(\.\d+)?(ms|s|m|h)?")
_MILLI = 1e-3
_MIB = 1 << 20
_KEEP = "keep_alive"
#: By name, what each must be.
_SENTENCES = {
    _KEEP: 'seconds, or a length of time such as "10m"; -1 is for ever, 0 is not at all',
    "num_ctx": "a number of tokens",
    "max_context": "a number of tokens",
    "cloud": "true or false",
    "preload": "names of models, with commas between them",
    "embedding_wait_ms": "milliseconds from 0 to 100",
    "embedding_cache_mb": "a number of MiB; 0 is no cache",
    "embedding_ttl_s": "a number of seconds",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """How one Ollama is used."""

    #: How long a model stays in memory after a request; ``None`` leaves it to Ollama's own settings.
    keep_alive: str | int | None = None
    limits: Limits = field(default_factory=Limits)
    #: Whether models that run in Ollama's cloud are listed though nobody named them.
    cloud: bool = False
    #: Whether they are left out whoever names them, because nothing may leave this machine.
    offline: bool = False
    #: Models that are loaded before anybody asks.
    preload: tuple[str, ...] = ()
    embedding_wait_s: float = 0.002
    embedding_cache: int = 64 * _MIB
    embedding_ttl_s: float = 3600.0


def policy_of(
    name: str, options: Mapping[str, str | int | float | bool], *, offline: bool = False, keeps: bool = True
) -> Policy:
    """The policy of backend *name*; without *keeps* it remembers no embedding. Raises ConfigError."""
    for key in options:
        if key not in _SENTENCES:
            message = f"backends.{name}.options has no {key!r} for Ollama"
            raise ConfigError(message, hint=f"there is {', '.join(_SENTENCES)}")
    read = _Reader(name, options)
    usual = Policy()
    cache = int(read.number("embedding_cache_mb", usual.embedding_cache / _MIB, 1 << 20) * _MIB)
    return Policy(
        keep_alive=read.keep_alive(),
        limits=Limits(read.tokens("num_ctx"), read.tokens("max_context")),
        cloud=read.switch("cloud"),
        offline=offline,
        preload=read.names("preload"),
        embedding_wait_s=read.number("embedding_wait_ms", usual.embedding_wait_s / _MILLI, 100.0) * _MILLI,
        embedding_cache=cache if keeps else 0,
        embedding_ttl_s=read.number("embedding_ttl_s", usual.embedding_ttl_s, 1e9),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """The options of one section."""

    name: str
    options: Mapping[str, str | int | float | bool]

    def keep_alive(self) -> str | int | None:
        value = self.options.get(_KEEP)
        if isinstance(value, float):
            value = round(value)
        if isinstance(value, bool) or (isinstance(value, str) and not _DURATION.fullmatch(value)):
            raise self._refusal(_KEEP)
        # A bare number in quotes is one for us, and an error for Ollama.
        return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value

    def tokens(self, key: str) -> int | None:
        value = self.options.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value <= 0):
            raise self._refusal(key)
        return value

    def switch(self, key: str) -> bool:
        value = self.options.get(key, False)
        if not isinstance(value, bool):
            raise self._refusal(key)
        return value

    def names(self, key: str) -> tuple[str, ...]:
        value = self.options.get(key, "")
        if not isinstance(value, str):
            raise self._refusal(key)
        return tuple(dict.fromkeys(name for each in value.split(",") if (name := each.strip())))

    def number(self, key: str, usual: float, largest: float) -> float:
        value = self.options.get(key, usual)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= largest:
            raise self._refusal(key)
        return float(value)

    def _refusal(self, key: str) -> ConfigError:
        return ConfigError(f"backends.{self.name}.options.{key} must be {_SENTENCES[key]}, not {self.options[key]!r}")
