"""The hours of deployments, in SQL. Knows nothing about how they were measured."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from roundhouse.core.figures import HourOf, Tally, added_up
from roundhouse.storage.database import Database
from roundhouse.storage.tables import figures, upsert

_PUT = upsert(figures)
_LONGEST = 512


class SqlFigures:
    """The port `FiguresStore`, on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, part: str, hours: Sequence[HourOf]) -> None:
        """Write what the run called *part* saw of each hour, in place of what it wrote before."""
        # In the order of keys: two servers must not wait for each other in a circle.
        rows = [_row(part, each) for each in sorted(hours, key=lambda each: (each.hour, each.backend, each.model))]
        if rows:
            await self._database.write(lambda connection: connection.execute(_PUT, rows))

    async def since(self, hour: int, backend: str | None = None) -> Sequence[HourOf]:
        """All hours from *hour* on, added up over all runs, oldest first."""
        question = sa.select(figures).where(figures.c.hour >= hour)
        if backend is not None:
            question = question.where(figures.c.backend == backend)
        rows = await self._database.read(lambda connection: connection.execute(question).mappings().all())
        return added_up(map(_hour, rows))

    async def prune(self, before: int) -> int:
        """Forget the hours before: one range of the key, however many there are."""

        def change(connection: Connection) -> int:
            return connection.execute(figures.delete().where(figures.c.hour < before)).rowcount

        return await self._database.write(change)


def _row(part: str, each: HourOf) -> dict[str, object]:
    return {
        "hour": each.hour,
        "backend": _text(each.backend),
        "model": _text(each.model),
        "part": part,
        "tally": msgspec.to_builtins(each.tally, str_keys=True),
    }


def _hour(row: RowMapping) -> HourOf:
    return HourOf(row["hour"], row["backend"], row["model"], msgspec.convert(row["tally"], Tally, strict=False))


def _text(value: str) -> str:
    """Without what PostgreSQL (NUL) or UTF-8 (half a surrogate pair) cannot hold, and of bounded length."""
    return value[:_LONGEST].replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
