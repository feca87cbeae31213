"""What stays and what may go, for the API: pins, tags and cleaning up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from roundhouse.app.desks.models import Models
from roundhouse.app.rooms import Rooms
from roundhouse.core.desks.keeping import Collection, CollectionWish, Judged, LeftoverView, MarkView
from roundhouse.core.marks import Mark, Tag
from roundhouse.upkeep.collecting import Outcome, Verdict, Wish


class Keeping:
    """The marks, and the collector."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def pin_model(self, name: str, *, pinned: bool) -> MarkView:
        """Let cleaning up never take a model, or again. Raises NotFoundError, ConflictError."""
        model = (await Models(self._rooms).ours(name, "be pinned")).model
        return _marked(model, await self._rooms.marking.pin(model, pinned=pinned))

    async def tag_model(self, name: str, add: Sequence[str], remove: Sequence[str]) -> MarkView:
        """Put tags on a model and take others off. Raises NotFoundError, ConflictError, SchemaError."""
        added, removed = {Tag(tag) for tag in add}, {Tag(tag) for tag in remove}
        model = (await Models(self._rooms).ours(name, "be tagged")).model
        return _marked(model, await self._rooms.marking.tag(model, added, removed))

    async def collect(self, wish: CollectionWish) -> Collection:
        """Clean up, or tell what that would do. Raises DiskError."""
        asked = self._wish(wish)
        if wish.dry_run:
            outcome = await self._rooms.collector.plan(asked)
        else:
            outcome = await self._rooms.collector.collect(asked)
            await self._rooms.fleet.refresh()
        return self._view(outcome, dry_run=wish.dry_run)

    def _wish(self, wish: CollectionWish) -> Wish:
        """What is asked for, and for the rest what the settings say."""
        library = self._rooms.settings.library
        unused_for_s = library.unused_for if wish.unused_for_s is None else wish.unused_for_s
        return Wish(
            unused_for=None if unused_for_s is None else timedelta(seconds=unused_for_s),
            quota=library.quota if wish.quota is None else wish.quota,
            min_free=library.min_free if wish.min_free is None else wish.min_free,
            orphans_only=wish.orphans_only,
            include_irreplaceable=wish.include_local,
        )

    def _view(self, outcome: Outcome, *, dry_run: bool) -> Collection:
        root = self._rooms.library.root
        return Collection(
            dry_run=dry_run,
            bytes_freed=outcome.bytes_freed,
            models=tuple(_judged(verdict) for verdict in outcome.verdicts),
            leftovers=tuple(
                LeftoverView(
                    path=str(Path(leftover.path).relative_to(root)),
                    kind=leftover.kind,
                    removed=kept is None,
                    reason=kept or "no model and no download needs it",
                    bytes_freed=leftover.bytes_freed if kept is None else 0,
                )
                for leftover, kept in outcome.leftovers
            ),
            bytes_used=outcome.survey.bytes_used,
            disk_free=outcome.survey.disk_free,
            bytes_missing=max(0, outcome.needed - outcome.bytes_freed),
        )


def _judged(verdict: Verdict) -> Judged:
    holding = verdict.holding
    return Judged(
        model=holding.model,
        removed=verdict.removed,
        reason=verdict.reason,
        bytes_freed=verdict.bytes_freed,
        size=holding.size,
        last_used_at=holding.last_used_at,
        warnings=holding.warnings if verdict.removed else (),
    )


def _marked(model: str, mark: Mark) -> MarkView:
    return MarkView(model, mark.pinned, tuple(map(str, mark.tags)), mark.last_used_at, mark.times_used)
