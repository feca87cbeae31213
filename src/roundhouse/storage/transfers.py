"""The list of transfers, in SQL. Knows nothing about how bytes come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from roundhouse.core.artifacts import Transfer, TransferState
from roundhouse.core.errors import NotFoundError
from roundhouse.storage.database import Database
from roundhouse.storage.tables import transfers, upsert

_PUT = upsert(transfers)


class SqlTransfers:
    """The port `Transfers`, on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, transfer: Transfer) -> None:
        """Write the state of *transfer*, new or known."""
        row = asdict(transfer)
        await self._database.write(lambda connection: connection.execute(_PUT, row))

    async def get(self, transfer_id: str) -> Transfer:
        """One transfer. Raises NotFoundError."""
        question = sa.select(transfers).where(transfers.c.id == transfer_id)
        row = await self._database.read(lambda connection: connection.execute(question).mappings().first())
        if row is None:
            raise _unknown(transfer_id)
        return _transfer(row)

    async def list(self, *, limit: int = 100) -> Sequence[Transfer]:
        """Newest first."""
        newest = sa.select(transfers).order_by(transfers.c.created_at.desc(), transfers.c.id.desc()).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(newest).mappings().all())
        return [_transfer(row) for row in rows]

    async def remove(self, transfer_id: str) -> None:
        """Forget one. Raises NotFoundError."""
        wanted = sa.delete(transfers).where(transfers.c.id == transfer_id)
        if not await self._database.write(lambda connection: connection.execute(wanted).rowcount):
            raise _unknown(transfer_id)


def _unknown(transfer_id: str) -> NotFoundError:
    message = f"no download with the id {transfer_id!r}"
    return NotFoundError(message, hint="list them with `roundhouse downloads ls`")


def _transfer(row: RowMapping) -> Transfer:
    return Transfer(**{**row, "state": TransferState(row["state"])})
