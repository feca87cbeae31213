"""Stores that forget: the ports `Artifacts`, `Transfers` and `Ledger` in plain dictionaries.

`tests/contract/` runs the same suites over these and over the databases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from roundhouse.core.artifacts import Artifact, Digest, Fingerprint, Older, Transfer
from roundhouse.core.errors import NotFoundError, SchemaError
from roundhouse.core.ledger import UsageRecord, UsageSummary


class MemoryArtifacts:
    """A registry of artifacts."""

    def __init__(self, artifacts: Iterable[Artifact] = ()) -> None:
        self._artifacts = {artifact.model: artifact for artifact in artifacts}
        self._fingerprints: dict[Digest, Fingerprint] = {}
        self._older: list[Older] = []

    async def add(self, artifact: Artifact) -> None:
        """Register, replacing an artifact of the same model name."""
        await self.add_all([artifact])

    async def add_all(self, artifacts: Sequence[Artifact]) -> None:
        """Register several, all of them or none."""
        self._artifacts.update({artifact.model: artifact for artifact in artifacts})

    async def get(self, model: str) -> Artifact:
        """One artifact. Raises NotFoundError."""
        if model not in self._artifacts:
            message = f"no model called {model!r} in the library"
            raise NotFoundError(message)
        return self._artifacts[model]

    async def list(self) -> Sequence[Artifact]:
        """All of them, by name."""
        return sorted(self._artifacts.values(), key=lambda artifact: artifact.model)

    async def remove(self, model: str) -> Artifact:
        """Forget one and its older revisions, and return it. Raises NotFoundError."""
        artifact = await self.get(model)
        del self._artifacts[model]
        self._older = [each for each in self._older if each.artifact.model != model]
        return artifact

    async def switch(self, artifact: Artifact, older: Sequence[Older]) -> None:
        """Make *artifact* the one of its name, and *older* all that is kept of others."""
        others = [each for each in self._older if each.artifact.model != artifact.model]
        self._artifacts[artifact.model], self._older = artifact, [*others, *older]

    async def older(self, model: str | None = None) -> Sequence[Older]:
        """The revisions that are kept and not served; the last that served comes first."""
        found = [each for each in self._older if model in {None, each.artifact.model}]
        return sorted(found, key=lambda each: (each.served_until, each.artifact.key), reverse=True)

    async def mark_verified(self, model: str, at: datetime) -> None:
        """Note that every byte was read and was right. Raises NotFoundError."""
        self._artifacts[model] = replace(await self.get(model), verified_at=at)

    async def put_fingerprint(self, fingerprint: Fingerprint) -> None:
        """Remember the chunks of a blob, new or known."""
        self._fingerprints[fingerprint.digest] = fingerprint

    async def fingerprint(self, digest: Digest) -> Fingerprint | None:
        """The chunks of one blob, if they were ever read."""
        return self._fingerprints.get(digest)

    async def fingerprints(self) -> Sequence[Fingerprint]:
        """All of them, by digest."""
        return [self._fingerprints[digest] for digest in sorted(self._fingerprints)]

    async def drop_fingerprints(self, digests: Collection[Digest]) -> None:
        """Forget the chunks of blobs that are gone."""
        for digest in digests:
            self._fingerprints.pop(digest, None)


class MemoryTransfers:
    """A list of transfers."""

    def __init__(self) -> None:
        self._transfers: dict[str, Transfer] = {}

    async def put(self, transfer: Transfer) -> None:
        """Write the state of *transfer*, new or known."""
        self._transfers[transfer.id] = transfer

    async def get(self, transfer_id: str) -> Transfer:
        """One transfer. Raises NotFoundError."""
        if transfer_id not in self._transfers:
            message = f"no download with the id {transfer_id!r}"
            raise NotFoundError(message)
        return self._transfers[transfer_id]

    async def list(self, *, limit: int = 100) -> Sequence[Transfer]:
        """Newest first."""
        newest = sorted(self._transfers.values(), key=lambda each: (each.created_at, each.id), reverse=True)
        return newest[:limit]

    async def remove(self, transfer_id: str) -> None:
        """Forget one. Raises NotFoundError."""
        del self._transfers[(await self.get(transfer_id)).id]


class MemoryLedger:
    """A ledger of usage."""

    def __init__(self) -> None:
        self._records: dict[str, UsageRecord] = {}

    async def append(self, records: Sequence[UsageRecord]) -> None:
        """Write all of them; a record whose id is known is left alone."""
        for record in records:
            self._records.setdefault(record.id, record)

    async def recent(self, *, limit: int = 50) -> Sequence[UsageRecord]:
        """Newest first."""
        newest = sorted(self._records.values(), key=lambda record: (record.at, record.id), reverse=True)
        return newest[:limit]

    async def summary(self, by: str, since: datetime | None = None) -> Sequence[UsageSummary]:
        """Added up by ``model``, ``backend`` or ``day``, busiest first. Raises SchemaError."""
        groups: dict[str, list[UsageRecord]] = {}
        for record in self._records.values():
            if since is None or record.at >= since:
                groups.setdefault(_key(record, by), []).append(record)
        rows = [_summary(key, records) for key, records in groups.items()]
        return sorted(rows, key=lambda row: (-row.requests, row.key))


def _key(record: UsageRecord, by: str) -> str:
    match by:
        case "model":
            return record.model or record.requested
        case "backend":
            return record.backend or "(none)"
        case "day":
            return record.at.astimezone(UTC).date().isoformat()
    message = f"usage cannot be added up by {by!r}"
    raise SchemaError(message)


def _summary(key: str, records: Sequence[UsageRecord]) -> UsageSummary:
    return UsageSummary(
        key=key,
        requests=len(records),
        errors=sum(record.outcome not in {"ok", "client_closed"} for record in records),
        prompt_tokens=sum(record.prompt_tokens for record in records),
        completion_tokens=sum(record.completion_tokens for record in records),
        cost_usd=sum(record.cost_usd or 0.0 for record in records),
    )
