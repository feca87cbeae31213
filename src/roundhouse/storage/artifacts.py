"""The registry of artifacts, in SQL. Knows nothing about the bytes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, NoReturn, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, FileName, Fingerprint, Older
from roundhouse.core.errors import NotFoundError
from roundhouse.storage.database import Database
from roundhouse.storage.marks import forget
from roundhouse.storage.tables import artifact_files, artifacts, fingerprints, revisions, upsert

_PUT_FINGERPRINT = upsert(fingerprints)
_DIGEST_BYTES = 32

T = TypeVar("T")


class SqlArtifacts:
    """The port `Artifacts`, on SQLite or PostgreSQL.

    The list is remembered until something of it changes: it is asked for far more often, and a long one takes the
    database half a second. So whatever changes artifacts goes through `_change`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listed: Sequence[Artifact] | None = None
        #: How often something has changed: what was read before a change must not be remembered after it.
        self._changes = 0

    async def _change(self, change: Callable[[Connection], T]) -> T:
        """Change artifacts, all of it or nothing."""
        try:
            return await self._database.write(change)
        finally:  # also when nobody waits for the outcome any more: the change may have happened
            self._changes += 1
            self._listed = None

    async def add(self, artifact: Artifact) -> None:
        """Register, replacing an artifact of the same model name."""
        await self.add_all([artifact])

    async def add_all(self, artifacts: Sequence[Artifact]) -> None:
        """Register several, all of them or none."""
        await self._change(lambda connection: _add_all(connection, artifacts))

    async def get(self, model: str) -> Artifact:
        """One artifact. Raises NotFoundError."""
        return await self._database.read(lambda connection: _get(connection, model))

    async def list(self) -> Sequence[Artifact]:
        """All of them, by name."""
        if self._listed is not None:
            return self._listed
        changes = self._changes
        listed = await self._database.read(_list)
        if changes == self._changes:
            self._listed = listed
        return listed

    async def remove(self, model: str) -> Artifact:
        """Forget one and its older revisions, and return it. Raises NotFoundError."""
        return await self._change(lambda connection: _remove(connection, model))

    async def switch(self, artifact: Artifact, older: Sequence[Older]) -> None:
        """Make *artifact* the one of its name, and *older* all that is kept of others, in one transaction."""
        await self._change(lambda connection: _switch(connection, artifact, older))

    async def older(self, model: str | None = None) -> Sequence[Older]:
        """The revisions that are kept and not served; the last that served comes first."""
        question = sa.select(revisions).order_by(revisions.c.served_until.desc(), revisions.c.key.desc())
        if model is not None:
            question = question.where(revisions.c.model == model)
        rows = await self._database.read(lambda connection: connection.execute(question).mappings().all())
        return [Older(_thawed(row["artifact"]), row["served_until"]) for row in rows]

    async def mark_verified(self, model: str, at: datetime) -> None:
        """Note that every byte was read and was right. Raises NotFoundError."""
        await self._change(lambda connection: _mark_verified(connection, model, at))

    async def put_fingerprint(self, fingerprint: Fingerprint) -> None:
        """Remember the chunks of a blob, new or known."""
        row = asdict(fingerprint) | {"chunks": b"".join(map(bytes.fromhex, fingerprint.chunks))}
        await self._database.write(lambda connection: connection.execute(_PUT_FINGERPRINT, row))

    async def fingerprint(self, digest: Digest) -> Fingerprint | None:
        """The chunks of one blob, if they were ever read."""
        question = sa.select(fingerprints).where(fingerprints.c.digest == digest)
        row = await self._database.read(lambda connection: connection.execute(question).mappings().first())
        return None if row is None else _fingerprint(row)

    async def fingerprints(self) -> Sequence[Fingerprint]:
        """All of them, by digest."""
        question = sa.select(fingerprints).order_by(fingerprints.c.digest)
        rows = await self._database.read(lambda connection: connection.execute(question).mappings().all())
        return [_fingerprint(row) for row in rows]

    async def drop_fingerprints(self, digests: Collection[Digest]) -> None:
        """Forget the chunks of blobs that are gone."""
        if not digests:
            return
        # One statement per digest: how many may stand in one list is the database's secret.
        gone = fingerprints.delete().where(fingerprints.c.digest == sa.bindparam("gone"))
        rows = [{"gone": digest} for digest in digests]
        await self._database.write(lambda connection: connection.execute(gone, rows))


def _add_all(connection: Connection, added: Sequence[Artifact]) -> None:
    for artifact in added:
        _add(connection, artifact)


def _add(connection: Connection, artifact: Artifact) -> None:
    connection.execute(artifacts.delete().where(artifacts.c.model == artifact.model))  # its files go with it
    row = asdict(artifact)
    files = row.pop("files")
    connection.execute(artifacts.insert(), row)
    if files:
        connection.execute(
            artifact_files.insert(),
            [{"model": artifact.model, "position": position, **file} for position, file in enumerate(files)],
        )


def _get(connection: Connection, model: str) -> Artifact:
    row = connection.execute(sa.select(artifacts).where(artifacts.c.model == model)).mappings().first()
    if row is None:
        _refuse(model)
    files = sa.select(artifact_files).where(artifact_files.c.model == model).order_by(artifact_files.c.position)
    return _artifact(row, [_file(found) for found in connection.execute(files).mappings()])


def _list(connection: Connection) -> Sequence[Artifact]:
    files: dict[str, list[ArtifactFile]] = {}
    for row in connection.execute(sa.select(artifact_files).order_by(artifact_files.c.position)).mappings():
        files.setdefault(row["model"], []).append(_file(row))
    rows = connection.execute(sa.select(artifacts)).mappings()
    # Sorted here: PostgreSQL sorts by its locale, and a name has the same place everywhere.
    found = (_artifact(row, files.get(row["model"], [])) for row in rows)
    return tuple(sorted(found, key=lambda artifact: artifact.model))


def _remove(connection: Connection, model: str) -> Artifact:
    artifact = _get(connection, model)
    connection.execute(artifacts.delete().where(artifacts.c.model == model))
    connection.execute(revisions.delete().where(revisions.c.model == model))
    forget(connection, model)
    return artifact


def _switch(connection: Connection, artifact: Artifact, older: Sequence[Older]) -> None:
    _add(connection, artifact)
    connection.execute(revisions.delete().where(revisions.c.model == artifact.model))
    if older:
        connection.execute(revisions.insert(), [_frozen(each) for each in older])


def _frozen(older: Older) -> dict[str, object]:
    """A row that holds an artifact whole."""
    artifact = older.artifact
    facts: dict[str, object] = {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(artifact).items()
    }
    return {"model": artifact.model, "key": artifact.key, "served_until": older.served_until, "artifact": facts}


def _thawed(facts: dict[str, Any]) -> Artifact:
    """The artifact that a row holds; facts that are not known here are left out."""
    known = {each.name: facts[each.name] for each in fields(Artifact) if each.name in facts}
    for name in ("created_at", "verified_at"):
        known[name] = None if known.get(name) is None else datetime.fromisoformat(known[name])
    files = tuple(_file(file) for file in known.pop("files"))
    return Artifact(files=files, **known)


def _mark_verified(connection: Connection, model: str, at: datetime) -> None:
    changed = connection.execute(artifacts.update().where(artifacts.c.model == model).values(verified_at=at))
    if not changed.rowcount:
        _refuse(model)


def _refuse(model: str) -> NoReturn:
    message = f"no model called {model!r} in the library"
    raise NotFoundError(message, hint="list the models with `roundhouse models ls`")


def _artifact(row: RowMapping, files: Sequence[ArtifactFile]) -> Artifact:
    told = row["license_digest"]
    return Artifact(files=tuple(files), **{**row, "license_digest": None if told is None else Digest(told)})


def _fingerprint(row: RowMapping) -> Fingerprint:
    raw: bytes = row["chunks"]
    chunks = (Digest(raw[begin : begin + _DIGEST_BYTES].hex()) for begin in range(0, len(raw), _DIGEST_BYTES))
    return Fingerprint(Digest(row["digest"]), row["size"], row["modified_ns"], row["chunk_bytes"], tuple(chunks))


def _file(row: Mapping[Any, Any]) -> ArtifactFile:
    return ArtifactFile(FileName(row["name"]), row["size"], Digest(row["digest"]))
