"""The list of models as OpenAI's clients read it. Knows nothing about where the names come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A name that may be asked for."""

    id: str
    #: Seconds since 1970, as OpenAI counts.
    created: int
    owned_by: str


class Models(Protocol):
    """The names that may be asked for now."""

    def listed(self) -> Sequence[ModelEntry]:
        """All that a list should show."""

    def find(self, name: str) -> ModelEntry | None:
        """One of them, or any other name that would be served; ``None`` when nobody knows it."""


def one(entry: ModelEntry) -> bytes:
    """One model as JSON."""
    return msgspec.json.encode(_shape(entry))


def all_of(entries: Sequence[ModelEntry]) -> bytes:
    """A list of models as JSON."""
    return msgspec.json.encode({"object": "list", "data": [_shape(entry) for entry in entries]})


def _shape(entry: ModelEntry) -> dict[str, object]:
    return {"id": entry.id, "object": "model", "created": entry.created, "owned_by": entry.owned_by}
