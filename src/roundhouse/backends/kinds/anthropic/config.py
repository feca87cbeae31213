"""What may be configured of Anthropic beside its keys: ``options`` of its section. Knows nothing about HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from roundhouse.core.errors import ConfigError

#: Tokens of an answer when nobody limits it and nobody knows the model's own limit.
_UNKNOWN = 8192
#: More than that takes so long that it should be streamed, and somebody should want it.
_LARGEST = 32_000
_MARKS: Mapping[str | bool, bytes | None] = {
    False: None,
    "off": None,
    True: b'{"type":"ephemeral"}',
    "5m": b'{"type":"ephemeral"}',
    "1h": b'{"type":"ephemeral","ttl":"1h"}',
}
_BETA = re.compile(r"[A-Za-z0-9._-]+(,[A-Za-z0-9._-]+)*")
#: By name, what each must be.
_SENTENCES = {
    "max_tokens": "a number of tokens",
    "cache": 'true, false, "5m" or "1h"',
    "beta": 'names of beta features, such as "files-api-2025-04-14", with commas between them',
}


@dataclass(frozen=True, slots=True)
class Policy:
    """How Anthropic is asked."""

    #: Tokens that an answer may have when the client does not say; ``None`` is what the model has, within reason.
    max_tokens: int | None = None
    #: What marks how far a prompt is to be cached; ``None`` leaves that to clients.
    cache: msgspec.Raw | None = None
    beta: str | None = None

    def usual_answer(self, largest: int | None) -> int:
        """Tokens of an answer that the client did not limit, of a model that can have *largest*."""
        if self.max_tokens is not None:
            return min(self.max_tokens, largest or self.max_tokens)
        return min(largest or _UNKNOWN, _LARGEST)

    @property
    def headers(self) -> dict[str, str]:
        """What is sent with every request."""
        version = {"anthropic-version": "2023-06-01"}
        return version if self.beta is None else {**version, "anthropic-beta": self.beta}


def policy_of(name: str, options: Mapping[str, str | int | float | bool]) -> Policy:
    """The policy of backend *name*. Raises ConfigError."""
    for key in options:
        if key not in _SENTENCES:
            message = f"backends.{name}.options has no {key!r} for Anthropic"
            raise ConfigError(message, hint=f"there is {', '.join(_SENTENCES)}")

    tokens, cache, beta = options.get("max_tokens"), options.get("cache", False), options.get("beta")
    wrong = {
        "max_tokens": tokens is not None and (isinstance(tokens, bool) or not isinstance(tokens, int) or tokens <= 0),
        "cache": not isinstance(cache, str | bool) or cache not in _MARKS,
        "beta": beta is not None and not (isinstance(beta, str) and _BETA.fullmatch(beta)),
    }
    for key in (key for key, is_wrong in wrong.items() if is_wrong):
        message = f"backends.{name}.options.{key} must be {_SENTENCES[key]}, not {options[key]!r}"
        raise ConfigError(message)
    mark = _MARKS[cache]  # type: ignore[index]
    return Policy(tokens, None if mark is None else msgspec.Raw(mark), beta)  # type: ignore[arg-type]
