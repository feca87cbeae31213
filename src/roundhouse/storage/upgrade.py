"""Bring a database to this version's tables, under a lock. Knows nothing about what is in them.

Loaded only when there is something to do: Alembic costs a quarter of a second.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection, Engine

#: Any number that nobody else locks by: two servers that start at once must not both migrate.
_LOCK = 8484_0001


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Run every migration that is missing, all of them or none. Raises what the driver raises."""
    with engine.begin() as connection:
        _lock(connection)
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take migrations back down to *revision* (``base`` is an empty database)."""
    with engine.begin() as connection:
        _lock(connection)
        command.downgrade(_config(connection), revision)


def known_revisions() -> tuple[str, ...]:
    """Every revision this version knows, newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_config(None)).walk_revisions())


def _lock(connection: Connection) -> None:
    # SQLite holds its write lock already: BEGIN IMMEDIATE.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _config(connection: Connection | None) -> Config:
    config = Config()
    # Alembic reads % as interpolation, and a folder may be called anything.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
