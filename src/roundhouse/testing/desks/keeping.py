"""Pins, tags and cleaning up of a house in memory. Knows nothing about disks: a model frees its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from roundhouse.core.desks.keeping import Collection, CollectionWish, Judged, MarkView
from roundhouse.core.errors import ConflictError
from roundhouse.core.marks import Tag
from roundhouse.core.views import ModelDetail

#: When cleaning up looks at the clock.
_NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
_FREE = 50_000_000_000


class InMemoryKeeping:
    """What stays, and what may go."""

    catalog: list[ModelDetail]

    async def model(self, name: str) -> ModelDetail:
        """Show one: the house knows how."""
        raise NotImplementedError

    async def pin_model(self, name: str, *, pinned: bool) -> MarkView:
        """Pin one, or no longer. Raises NotFoundError, ConflictError."""
        return self._keep(replace(await self._own(name), pinned=pinned))

    async def tag_model(self, name: str, add: Sequence[str], remove: Sequence[str]) -> MarkView:
        """Change its tags. Raises NotFoundError, ConflictError, SchemaError."""
        added, removed = {Tag(tag) for tag in add}, {Tag(tag) for tag in remove}
        model = await self._own(name)
        return self._keep(replace(model, tags=tuple(sorted(map(str, ({*model.tags} - removed) | added)))))

    async def collect(self, wish: CollectionWish) -> Collection:
        """Take out what was not used for so long, unless it is pinned."""
        held = [model for model in self.catalog if model.local] if not wish.orphans_only else []
        judged = tuple(sorted((_judge(model, wish) for model in held), key=lambda each: (not each.removed, each.model)))
        gone = {each.model for each in judged if each.removed}
        if not wish.dry_run:
            self.catalog[:] = [model for model in self.catalog if model.name not in gone]
        used = sum(model.size or 0 for model in held)
        freed = sum(each.bytes_freed for each in judged)
        return Collection(wish.dry_run, freed, judged, (), used, _FREE, 0)

    async def _own(self, name: str) -> ModelDetail:
        model = await self.model(name)
        if not model.local:
            message = f"{name} is not in the library"
            raise ConflictError(message)
        return model

    def _keep(self, model: ModelDetail) -> MarkView:
        names = [each.name for each in self.catalog]
        self.catalog[names.index(model.name)] = model
        return MarkView(model.name, model.pinned, model.tags, model.last_used_at, model.times_used)


def _judge(model: ModelDetail, wish: CollectionWish) -> Judged:
    idle = _NOW - (model.last_used_at or model.created_at or _NOW)
    is_old = wish.unused_for_s is not None and idle >= timedelta(seconds=wish.unused_for_s)
    removed = is_old and not model.pinned and not model.loaded
    reason = "pinned" if model.pinned else f"{'not used for' if is_old else 'last used'} {idle.days} days"
    size = model.size or 0
    return Judged(model.name, removed, reason, size if removed else 0, size, model.last_used_at)
