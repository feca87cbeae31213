"""Repairing models: what is wrong is brought from where it can be had, what cannot be is put aside.

Knows nothing about HTTP, or how a blob changes. A chunk comes from another file of the library first, then from the
model's source; without known chunks the whole file is fetched again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, Stretch
from roundhouse.core.clock import Clock
from roundhouse.core.desks.repair import FileRepair, Outcome, Repair
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.views import ByteRange
from roundhouse.library import Library
from roundhouse.library.infirmary import Finding, read_peer
from roundhouse.upkeep.origin import Count, Origin, Supply

_log = structlog.get_logger("roundhouse.upkeep")


@dataclass(slots=True)
class _Tally:
    """Where bytes came from."""

    count: Count
    from_peers: int = 0


class Repairs:
    """The repairs of one library, one model at a time."""

    def __init__(self, library: Library, supply: Supply, clock: Clock) -> None:
        self._library, self._supply, self._clock = library, supply, clock
        self._ward = library.infirmary
        self._turn = asyncio.Lock()

    async def repair(self, model: str, *, dry_run: bool = False) -> Repair:
        """Make all bytes of *model* right, older revisions included; what could not be had is in the answer.

        Raises NotFoundError.
        """
        artifact, begun = await self._library.get(model), self._clock.monotonic()
        older = [each.artifact for each in await self._library.older(model)]
        digests = {file.digest for each in (artifact, *older) for file in each.files}
        async with self._turn:
            with self._library.leased(digests):
                files = await self._treat_all(artifact, older, dry_run=dry_run)
            if not dry_run:
                await self._library.sweep(digests)
                await self._conclude(artifact, files)
        return Repair(
            model=model,
            ok=all(file.outcome in {"right", "repaired"} for file in files),
            dry_run=dry_run,
            files=files,
            bytes_damaged=sum(part.length for file in files for part in file.damaged),
            bytes_from_peers=sum(file.bytes_from_peers for file in files),
            bytes_fetched=sum(file.bytes_fetched for file in files),
            duration_ms=(self._clock.monotonic() - begun) * 1000,
        )

    async def _treat_all(self, served: Artifact, older: Sequence[Artifact], *, dry_run: bool) -> tuple[FileRepair, ...]:
        """Do for each file what can be done, once for each of their bytes."""
        origin, files = Origin(served, self._supply), list[FileRepair]()
        files += [await self._treat(file, origin, dry_run=dry_run) for file in served.files]
        for artifact in older:
            origin, seen = Origin(artifact, self._supply), {told.digest for told in files}
            for file in artifact.files:
                if file.digest not in seen:
                    told = await self._treat(file, origin, dry_run=dry_run)
                    files.append(replace(told, revision=artifact.revision))
        return tuple(files)

    async def _conclude(self, artifact: Artifact, files: tuple[FileRepair, ...]) -> None:
        """Note that all is right, if it is; a model that was removed meanwhile leaves nothing."""
        if all(file.outcome in {"right", "repaired"} for file in files if file.revision is None):
            await self._ward.certify(artifact.model, self._clock.now())

    async def _treat(self, file: ArtifactFile, origin: Origin, *, dry_run: bool) -> FileRepair:
        """Do for one file what can be done."""
        try:
            finding = await self._ward.examine(file)
        except RoundhouseError as error:
            return FileRepair(file.name, file.size, file.digest, "damaged", error=error.to_dict())
        if dry_run:
            return await self._foresee(finding)
        tally = _Tally(Count())
        try:
            told = _told(finding, await self._mend(finding, origin, tally))
        except RoundhouseError as error:
            _log.warning("repair failed", file=file.name, code=error.code, reason=error.message)
            told = replace(_told(finding, await self._put_aside(finding)), error=error.to_dict())
        return replace(told, bytes_from_peers=tally.from_peers, bytes_fetched=tally.count.received)

    async def _foresee(self, finding: Finding) -> FileRepair:
        """What would be done."""
        told = _told(finding, "right" if finding.ok else "damaged")
        from_peers, peers = 0, await self._ward.peers(finding)
        for stretch, digest in finding.missing:
            if await asyncio.to_thread(read_peer, peers, digest) is not None:
                from_peers += stretch.length
        damaged = sum(each.length for each in finding.damaged)
        return replace(told, bytes_from_peers=from_peers, bytes_fetched=damaged - from_peers)

    async def _mend(self, finding: Finding, origin: Origin, tally: _Tally) -> Outcome:
        """Make the file right. Raises what the source raises, DiskError, ConflictError."""
        if finding.ok:
            await self._ward.release(finding)
            return "right"

        peers = await self._ward.peers(finding)

        async def bring(stretch: Stretch, digest: Digest) -> bytes:
            data = await asyncio.to_thread(read_peer, peers, digest)
            if data is None:
                return await origin.fetch(finding.file, stretch, digest, tally.count)
            tally.from_peers += len(data)
            return data

        if not ((finding.is_partly_right or peers) and await self._ward.mend(finding, bring)):
            await origin.fetch_whole(finding.file, tally.count)
            await self._ward.welcome(finding.file)
        return "repaired"

    async def _put_aside(self, finding: Finding) -> Outcome:
        """See to it that nobody loads what is wrong."""
        try:
            is_aside = await self._ward.isolate(finding)
        except RoundhouseError as error:
            _log.warning("cannot be put aside", file=finding.file.name, code=error.code, reason=error.message)
            return "damaged"
        return "quarantined" if is_aside and finding.place is not None else "damaged"


def _told(finding: Finding, outcome: Outcome) -> FileRepair:
    """What was found, for people."""
    file, damaged = finding.file, tuple(ByteRange(each.offset, each.length) for each in finding.damaged)
    return FileRepair(file.name, file.size, file.digest, outcome, damaged)
