"""Connections to the two databases that we speak, set up so that both behave alike. Knows no table.

SQLite: write-ahead log, every commit on disk (``synchronous=FULL``), one writer that takes its lock at the start
of a transaction (``BEGIN IMMEDIATE``: a lock taken later can fail in the middle), readers that cannot write.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from roundhouse.core.errors import ConfigError

#: Seconds to wait for another process that holds the lock, or for a server to answer.
PATIENCE_S = 10
#: Reads at the same time, and writes at the same time on PostgreSQL.
WIDTH = 4

_HINT = "storage.database_url is sqlite:///path/to/file or postgresql://user@host:port/name"


@dataclass(frozen=True, slots=True)
class Engines:
    """A pair: one that writes, one that only reads."""

    writer: Engine
    reader: Engine
    #: Writes that may run at the same time.
    writers: int

    def dispose(self) -> None:
        """Close every connection."""
        # The reader first: the last connection to leave tidies SQLite's log away, and only a writer can.
        self.reader.dispose()
        self.writer.dispose()


def parse(url: str) -> URL:
    """Read *url* and name our driver in it. Raises ConfigError, which never repeats a password."""
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        message = "the database URL cannot be read"
        raise ConfigError(message, hint=_HINT) from None
    if parsed.drivername == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"} and parsed.database:
        return parsed.set(drivername="postgresql+psycopg")
    message = f"this database is not supported: {parsed.render_as_string(hide_password=True)}"
    raise ConfigError(message, hint=_HINT)


def connect(url: URL) -> Engines:
    """Prepare both engines; nothing is opened before the first use."""
    return _sqlite(url) if url.drivername == "sqlite" else _postgres(url)


def for_upgrade(url: URL) -> Engine:
    """A third engine, whose SQLite connections let tables be rebuilt (foreign keys are off)."""
    if url.drivername != "sqlite":
        return _create(url, pool_size=1)
    return _sqlite_engine(url, begin="BEGIN IMMEDIATE", pragmas=("journal_mode=WAL", "synchronous=FULL"), pool_size=1)


def jobs_url(url: str) -> str:
    """Where the engine of jobs keeps its own tables: a file beside ours, or the same PostgreSQL. Raises ConfigError."""
    parsed = parse(url)
    if parsed.drivername == "sqlite":
        parsed = parsed.set(database=str(Path(parsed.database or "").with_name("jobs.sqlite")))
        return parsed.render_as_string(hide_password=False)
    return parsed.set(drivername="postgresql").render_as_string(hide_password=False)


def _sqlite(url: URL) -> Engines:
    lasting = ("synchronous=FULL", "foreign_keys=ON")
    writer = _sqlite_engine(url, begin="BEGIN IMMEDIATE", pragmas=lasting, pool_size=1)
    reader = _sqlite_engine(url, begin="BEGIN", pragmas=("query_only=ON",), pool_size=WIDTH)
    return Engines(writer, reader, writers=1)


def _sqlite_engine(url: URL, *, begin: str, pragmas: tuple[str, ...], pool_size: int) -> Engine:
    engine = _create(url, pool_size=pool_size, connect_args={"timeout": PATIENCE_S, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # The driver would start transactions by itself, and later than we do.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgres(url: URL) -> Engines:
    engine = _create(
        url,
        pool_size=2 * WIDTH,
        pool_pre_ping=True,
        connect_args={"connect_timeout": PATIENCE_S, "application_name": "roundhouse"},
    )
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Engines(engine, reader, writers=WIDTH)


def _create(
    url: URL, *, pool_size: int, pool_pre_ping: bool = False, connect_args: dict[str, object] | None = None
) -> Engine:
    return sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=PATIENCE_S,
        pool_pre_ping=pool_pre_ping,
        connect_args=connect_args or {},
        # Digests, file names and paths inside of an error's details are text with a type.
        json_serializer=lambda value: msgspec.json.encode(value, enc_hook=str).decode(),
        json_deserializer=msgspec.json.decode,
    )
