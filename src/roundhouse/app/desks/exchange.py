"""The registry going out and coming in, and what ought to be here, for the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from roundhouse.app.rooms import Rooms
from roundhouse.core.desks.ensure import EnsureReport
from roundhouse.core.desks.exchange import Bundle, Import, ImportedModel, ImportReport
from roundhouse.core.errors import RoundhouseError
from roundhouse.library.exchange import Verdict
from roundhouse.upkeep.ensure import Ensuring, Means
from roundhouse.upkeep.references import normal, pinned

#: Pulls that one import may start.
_MOST_PULLS = 1000


class ExchangeDesk:
    """The library's way out and in."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def export_registry(self, names: Sequence[str]) -> bytes:
        """Write down all models, or those named. Raises NotFoundError, ConflictError."""
        return await self._rooms.exchange.export(names)

    async def import_registry(self, document: bytes, how: Import) -> ImportReport:
        """Register what *document* tells of and whose bytes are here. Raises SchemaError, ConflictError, DiskError."""
        return await self._report(await self._rooms.exchange.take(document, how), how)

    async def bundle(self, names: Sequence[str]) -> Bundle:
        """Pack models with their bytes. Raises NotFoundError, SchemaError, VerifyError."""
        return await self._rooms.exchange.pack(names)

    async def import_bundle(self, chunks: AsyncIterator[bytes], how: Import) -> ImportReport:
        """Take in a tar that `bundle` made. Raises SchemaError, VerifyError, ConflictError, DiskError."""
        return await self._report(await self._rooms.exchange.unpack(chunks, how), how)

    async def ensure(self, document: bytes, *, dry_run: bool, by: str | None = None) -> EnsureReport:
        """Bring the models of *document* here. Raises SchemaError."""
        rooms = self._rooms
        means = Means(rooms.library, rooms.pulls, rooms.repairs, rooms.marking, rooms.licenses)
        report = await Ensuring(means, by).ensure(document, dry_run=dry_run)
        if not dry_run:  # what was repaired can be routed to again
            await rooms.fleet.refresh()
        return report

    async def _report(self, verdicts: Sequence[Verdict], how: Import) -> ImportReport:
        if not how.dry_run and any(verdict.wanted for verdict in verdicts):
            await self._rooms.fleet.refresh()
        missing = [verdict.artifact.model for verdict in verdicts if verdict.state == "missing"]
        fetched = frozenset(missing[:_MOST_PULLS]) if how.fetch and not how.dry_run else frozenset()
        return ImportReport(tuple([await self._told(each, fetched) for each in verdicts]), how.dry_run)

    async def _told(self, verdict: Verdict, fetched: frozenset[str]) -> ImportedModel:
        artifact, reason, transfer = verdict.artifact, verdict.reason, None
        wanted = _exact(verdict) if verdict.state == "missing" else None
        if wanted is not None and artifact.model in fetched:
            try:
                transfer = (await self._rooms.pulls.start(wanted, artifact.model)).id
            except RoundhouseError as error:
                reason = f"{reason}, and cannot be fetched: {error.message}"
        return ImportedModel(
            artifact.model, verdict.state, artifact.ref, artifact.revision, artifact.size, reason, wanted, transfer
        )


def _exact(verdict: Verdict) -> str | None:
    """What brings exactly these bytes; ``None`` when its source is not known here."""
    try:
        return pinned(normal(verdict.artifact.ref), verdict.artifact.revision)
    except RoundhouseError:
        return None
