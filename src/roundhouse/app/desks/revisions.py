"""Newer and older revisions of models, for the API and the pages."""

from __future__ import annotations

from roundhouse.app.desks.models import Models
from roundhouse.app.desks.transfers import TransferDesk
from roundhouse.core.desks.revisions import Rollback, Update, UpdateCheck
from roundhouse.upkeep.updating import Outlook, Updates


class RevisionsDesk(Models):
    """Forward and back."""

    async def check_update(self, name: str) -> UpdateCheck:
        """Look upstream, and fetch nothing. Raises NotFoundError, ConflictError, and what the source raises."""
        return _check(await self._outlook(name))

    async def update_model(self, name: str, *, dry_run: bool = False) -> Update:
        """Begin to fetch what is newer, if anything is. Raises what `check_update` raises."""
        outlook = await self._outlook(name)
        begun = None if dry_run else await self._updates.begin(outlook)
        transfer = None if begun is None else await TransferDesk(self._rooms).transfer(begun.id)
        return Update(_check(outlook), transfer, dry_run)

    async def roll_back_model(self, name: str, wanted: str | None = None, *, dry_run: bool = False) -> Rollback:
        """Serve an older revision again. Raises NotFoundError, ConflictError."""
        before = await self.ours(name, "be rolled back")
        now = await self._rooms.library.roll_back(before.model, wanted, dry_run=dry_run)
        return Rollback(now.model, now.revision, now.key, before.revision, dry_run)

    async def _outlook(self, name: str) -> Outlook:
        artifact = await self.ours(name, "be updated")
        return await self._updates.look(artifact.model)

    @property
    def _updates(self) -> Updates:
        return Updates(self._rooms.library, self._rooms.pulls)


def _check(outlook: Outlook) -> UpdateCheck:
    artifact, preview = outlook.artifact, outlook.preview
    if outlook.pinned_to is not None:
        detail = f"pinned to {outlook.pinned_to}; nothing to update"
        return UpdateCheck(model=artifact.model, state="pinned", revision=artifact.revision, detail=detail)
    if preview is None:
        detail = "nothing newer at its source"
        return UpdateCheck(model=artifact.model, state="current", revision=artifact.revision, detail=detail)
    return UpdateCheck(
        model=artifact.model,
        state="newer",
        revision=artifact.revision,
        available=preview.plan.revision,
        bytes_total=preview.bytes_total,
        bytes_needed=preview.bytes_needed,
        was_here=outlook.was_here,
        detail="a newer revision was here and was rolled back" if outlook.was_here else "a newer revision is there",
    )
