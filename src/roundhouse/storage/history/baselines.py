"""The baselines of deployments, in SQL. Knows nothing about how they were measured."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from roundhouse.core.figures.baselines import Baseline, Pace
from roundhouse.storage.database import Database
from roundhouse.storage.tables import baselines, upsert

_PUT = upsert(baselines)
#: More than any house has: a table that somebody filled does not fill the memory.
_MOST = 4_096


class SqlBaselines:
    """The port `BaselinesStore`, on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, baselines: Sequence[Baseline]) -> None:
        """Keep them, each in place of the one before."""
        # In the order of keys: two servers must not wait for each other in a circle.
        ordered = sorted(baselines, key=lambda each: (each.backend, each.model))
        rows = [
            {
                "backend": each.backend,
                "model": each.model,
                "at": each.at,
                "by": each.by,
                "kinds": msgspec.to_builtins(dict(each.kinds)),
            }
            for each in ordered
        ]
        if rows:
            await self._database.write(lambda connection: connection.execute(_PUT, rows))

    async def all(self) -> Sequence[Baseline]:
        """All of them, the newest first where there are too many."""
        question = sa.select(baselines).order_by(baselines.c.at.desc()).limit(_MOST)
        rows = await self._database.read(lambda connection: connection.execute(question).mappings().all())
        return sorted(map(_baseline, rows), key=lambda each: (each.backend, each.model))


def _baseline(row: RowMapping) -> Baseline:
    kinds = msgspec.convert(row["kinds"], dict[str, Pace])
    return Baseline(row["backend"], row["model"], row["at"], "test" if row["by"] == "test" else "calls", kinds)
