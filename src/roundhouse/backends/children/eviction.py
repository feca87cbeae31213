"""Who makes room for a model that comes. Pure; knows nothing about processes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A model in memory."""

    need: int
    #: Requests that it is serving.
    serving: int = 0


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
