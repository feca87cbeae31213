"""The terms that were met and who agreed to them, in SQL. Knows nothing about what licences mean."""

from __future__ import annotations

from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from roundhouse.core.artifacts import Acceptance, Digest, Terms
from roundhouse.storage.database import Database
from roundhouse.storage.tables import insert_once, license_acceptances, licenses

_PUT, _ACCEPT = insert_once(licenses), insert_once(license_acceptances)


class SqlLicenses:
    """The port `Licenses`, on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_terms(self, terms: Terms) -> None:
        """Keep *terms*; known ones stay as they are, but for a text that they lacked."""
        await self._database.write(lambda connection: _put(connection, terms))

    async def terms(self) -> list[Terms]:
        """All of them, by digest."""
        question = sa.select(licenses).order_by(licenses.c.digest)
        rows = await self._database.read(lambda connection: connection.execute(question).mappings().all())
        return [Terms(**{**row, "digest": Digest(row["digest"])}) for row in rows]

    async def accept(self, acceptance: Acceptance) -> None:
        """Write down that somebody agreed; the first time stays."""
        row = asdict(acceptance)
        await self._database.write(lambda connection: connection.execute(_ACCEPT, row))

    async def revoke(self, principal: str, digest: Digest) -> bool:
        """Take it back; whether there was something to take back."""
        table = license_acceptances
        gone = table.delete().where(table.c.principal == principal, table.c.digest == digest)
        return await self._database.write(lambda connection: bool(connection.execute(gone).rowcount))

    async def acceptances(self) -> list[Acceptance]:
        """All of them, oldest first."""
        rows = await self._database.read(
            lambda connection: connection.execute(sa.select(license_acceptances)).mappings().all()
        )
        found = [Acceptance(**{**row, "digest": Digest(row["digest"])}) for row in rows]
        # Sorted here: PostgreSQL sorts by its locale, and a name has the same place everywhere.
        return sorted(found, key=lambda each: (each.at, each.principal, each.digest))


def _put(connection: Connection, terms: Terms) -> None:
    connection.execute(_PUT, asdict(terms))
    if terms.text is not None:
        lacks = (licenses.c.digest == terms.digest) & licenses.c.text.is_(None)
        connection.execute(licenses.update().where(lacks).values(text=terms.text))
