"""How much memory a model needs, and who makes room for it. Pure; knows nothing about processes.

The needs are estimates from the file's size, good enough to keep a machine from swapping; they err on the large side.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

#: Weights with their buffers, and weights with everything, as multiples of the file.
_WEIGHTS, _WEIGHTS_AND_CACHE = 1.2, 1.5
#: So many tokens of key-value cache weigh as much as the file: within a factor of two of the truth for
#: the usual quantised models with grouped attention (1 B to 8 B), and too much for larger ones.
_TOKENS_PER_FILE = 32_768
#: The part of the machine's memory that models may take when nobody said how much.
AUTO_SHARE = 0.75


Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A model in memory."""

    need: int
    #: Requests that it is serving.
    serving: int = 0


def need_of(size: int, tokens: int | None) -> int:
    """Bytes that a model file of *size* takes when loaded with a cache for *tokens* (``None``: unknown)."""
    if tokens is None:
        return int(size * _WEIGHTS_AND_CACHE)
    return int(size * (_WEIGHTS + tokens / _TOKENS_PER_FILE))


def make_room(need: int, budget: int, tenants: Mapping[Key, Tenant]) -> list[Key] | None:
    """Choose who must go so that *need* more bytes fit into *budget*; *tenants* come least recently used first.

    ``None`` when it cannot be done without one that is serving. Nobody goes who need not.
    """
    excess = need + sum(tenant.need for tenant in tenants.values()) - budget
    leaving: list[Key] = []
    for key, tenant in tenants.items():
        if excess <= 0:
            break
        if tenant.serving == 0:
            leaving.append(key)
            excess -= tenant.need
    return leaving if excess <= 0 else None
