"""The names that clients may ask for, as the gateway wants them. Knows nothing about wire formats.

Built anew when the fleet's snapshot changes, not when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from roundhouse.gateway import ModelEntry
from roundhouse.routing.snapshot import Snapshot


class Catalogue:
    """Every name of the current snapshot."""

    def __init__(self, snapshot: Callable[[], Snapshot], created: int) -> None:
        self._snapshot, self._created = snapshot, created
        self._seen: Snapshot | None = None
        self._entries: Mapping[str, ModelEntry] = {}

    def listed(self) -> Sequence[ModelEntry]:
        """Aliases that lead somewhere, then models by name."""
        return list(self._current().values())

    def find(self, name: str) -> ModelEntry | None:
        """One of them, or a ``backend/model`` that would be served too."""
        known = self._current().get(name)
        if known is not None or not (places := self._snapshot().resolve(name)):
            return known
        return ModelEntry(name, self._created, places[0].entries[0].deployment.backend)

    def _current(self) -> Mapping[str, ModelEntry]:
        snapshot = self._snapshot()
        if snapshot is not self._seen:
            owners = {entry.deployment.model: entry.deployment.backend for entry in snapshot.entries.values()}
            aliases = [name for name, places in snapshot.names.items() if places and name not in owners]
            named = [(name, "roundhouse") for name in aliases] + sorted(owners.items())
            self._entries = {name: ModelEntry(name, self._created, owner) for name, owner in named}
            self._seen = snapshot
        return self._entries
