"""The database: one way to read and one way to write, off the event loop. Knows no table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine

from roundhouse.core.errors import ConfigError
from roundhouse.storage.engines import WIDTH, Engines, connect, for_upgrade, parse
from roundhouse.storage.failures import translated
from roundhouse.storage.tables import REVISION

T = TypeVar("T")


class Database:
    """An open database. What is given to it runs in one transaction, in a thread."""

    def __init__(self, engines: Engines) -> None:
        self.dialect = engines.writer.dialect.name
        self._engines = engines
        self._readers = ThreadPoolExecutor(WIDTH, "database-read")
        self._writers = ThreadPoolExecutor(engines.writers, "database-write")

    @classmethod
    def open(cls, url: str) -> Self:
        """Open, and bring to this version's tables. Raises ConfigError, DiskError, NetworkError, CapacityError."""
        parsed = parse(url)
        _prepare(parsed)
        return cls(connect(parsed))

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Ask; every statement in *question* sees the same state. Raises as `translated` says."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, _transact, self._engines.reader, question)

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Change, all of it or nothing; on disk when this returns. Raises as `translated` says.

        A change that has begun is finished even if the caller is cancelled meanwhile.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writers, _transact, self._engines.writer, change)

    async def close(self) -> None:
        """Finish what has begun and let go."""
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        self._writers.shutdown()
        self._readers.shutdown()
        self._engines.dispose()


def _transact(engine: Engine, action: Callable[[Connection], T]) -> T:
    with translated(), engine.begin() as connection:
        return action(connection)


def _prepare(url: URL) -> None:
    """Look which revision the database is, and upgrade it if need be."""
    engine = for_upgrade(url)
    try:
        with translated():
            with engine.connect() as connection:
                found = _revision(connection)
            if found != REVISION:
                _upgrade(engine, found)
    finally:
        engine.dispose()


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return revision


def _upgrade(engine: Engine, found: str | None) -> None:
    migrations = import_module("roundhouse.storage.upgrade")
    if found is not None and found not in migrations.known_revisions():
        message = f"the database was written by a newer Roundhouse (revision {found}; this one knows {REVISION})"
        raise ConfigError(message, hint="upgrade Roundhouse, or restore a backup from before that upgrade")
    migrations.upgrade(engine)
