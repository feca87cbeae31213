"""What is said about models, in SQL. Knows nothing about the models."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from roundhouse.core.marks import Mark, Tag, Use
from roundhouse.storage.database import Database
from roundhouse.storage.tables import marks, model_tags, rows_of, skip

_ADD_TAG = skip(model_tags)
# Text, as in `tables.upsert`: one statement for both databases. What was counted before is added to, never replaced.
_ADD_USE = sa.text(
    "INSERT INTO marks (model, pinned, last_used_at, times_used) VALUES (:model, :pinned, :at, :times)"
    " ON CONFLICT (model) DO UPDATE SET times_used = marks.times_used + excluded.times_used,"
    " last_used_at = CASE WHEN marks.last_used_at > excluded.last_used_at THEN marks.last_used_at"
    " ELSE excluded.last_used_at END"
).bindparams(*rows_of(marks, model="model", pinned="pinned", at="last_used_at", times="times_used"))
_PIN = sa.text(
    "INSERT INTO marks (model, pinned, times_used) VALUES (:model, :pinned, 0)"
    " ON CONFLICT (model) DO UPDATE SET pinned = excluded.pinned"
).bindparams(*rows_of(marks, model="model", pinned="pinned"))


class SqlMarks:
    """The port `Marks`, on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> Mapping[str, Mark]:
        """Everything that is said, by model."""
        return await self._database.read(_all)

    async def pin(self, model: str, *, pinned: bool) -> None:
        """Say whether it must stay."""
        row = {"model": model, "pinned": pinned}
        await self._database.write(lambda connection: connection.execute(_PIN, row))

    async def tag(self, model: str, add: Collection[Tag], remove: Collection[Tag]) -> None:
        """Put tags on it and take others off."""
        await self._database.write(lambda connection: _tag(connection, model, add, remove))

    async def add_uses(self, uses: Sequence[Use]) -> None:
        """Count what has been used since the last time."""
        # In the order of names: two servers that count the same models must not wait for each other in a circle.
        rows = [
            {"model": use.model, "pinned": False, "at": use.at, "times": use.times}
            for use in sorted(uses, key=lambda use: use.model)
        ]
        if rows:
            await self._database.write(lambda connection: connection.execute(_ADD_USE, rows))

    async def forget(self, model: str) -> None:
        """Say nothing about it any more."""
        await self._database.write(lambda connection: forget(connection, model))


def forget(connection: Connection, model: str) -> None:
    """Drop what is said about *model*, in the transaction of whoever drops the model itself."""
    for table in (marks, model_tags):
        connection.execute(table.delete().where(table.c.model == model))


def _tag(connection: Connection, model: str, add: Collection[Tag], remove: Collection[Tag]) -> None:
    if add:
        connection.execute(_ADD_TAG, [{"model": model, "tag": tag} for tag in sorted(add)])
    for tag in sorted(remove):
        connection.execute(model_tags.delete().where(model_tags.c.model == model, model_tags.c.tag == tag))


def _all(connection: Connection) -> Mapping[str, Mark]:
    tags: dict[str, list[Tag]] = {}
    for row in connection.execute(sa.select(model_tags)).mappings():
        tags.setdefault(row["model"], []).append(Tag(row["tag"]))
    rows = {row["model"]: row for row in connection.execute(sa.select(marks)).mappings()}
    return {
        model: Mark(
            pinned=bool(rows[model]["pinned"]) if model in rows else False,
            tags=tuple(sorted(tags.get(model, ()))),
            last_used_at=rows[model]["last_used_at"] if model in rows else None,
            times_used=rows[model]["times_used"] if model in rows else 0,
        )
        for model in {*rows, *tags}
    }
