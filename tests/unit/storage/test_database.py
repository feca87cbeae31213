import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from roundhouse.core.errors import ConfigError, DiskError, NetworkError, RoundhouseError
from roundhouse.storage.database import Database
from roundhouse.storage.engines import for_upgrade, parse
from roundhouse.storage.tables import transfers, upsert
from roundhouse.storage.transfers import SqlTransfers
from roundhouse.testing.builders import a_transfer


def rows(connection: Connection) -> int:
    """How many transfers there are."""
    return connection.execute(sa.select(sa.func.count()).select_from(transfers)).scalar_one()


def put(connection: Connection, transfer_id: str) -> None:
    """Write one transfer."""
    transfer = a_transfer(transfer_id)
    row = {name: getattr(transfer, name) for name in transfers.columns.keys()}  # noqa: SIM118 - columns, not a dict
    connection.execute(upsert(transfers), row)


def names(folder: Path) -> list[str]:
    """What lies in *folder*."""
    return [path.name for path in folder.iterdir()]


async def test_a_change_that_fails_leaves_nothing(database: Database) -> None:
    """A write is all or nothing."""

    def change(connection: Connection) -> None:
        put(connection, "t1")
        raise KeyError

    with pytest.raises(KeyError):
        await database.write(change)
    assert 0 == await database.read(rows)


async def test_a_reader_cannot_write(database: Database) -> None:
    """What is given to `read` changes nothing, whatever it tries."""
    with pytest.raises(RoundhouseError):
        await database.read(lambda connection: put(connection, "t1"))
    assert 0 == await database.read(rows)


async def test_a_reader_sees_one_state(database: Database) -> None:
    """A write in between does not show inside one read, and does not wait for it."""
    first_look, written = threading.Event(), threading.Event()

    def look_twice(connection: Connection) -> tuple[int, int]:
        before = rows(connection)
        first_look.set()
        assert written.wait(10)
        return before, rows(connection)

    looking = asyncio.ensure_future(database.read(look_twice))
    await asyncio.to_thread(first_look.wait, 10)
    await database.write(lambda connection: put(connection, "t1"))
    written.set()
    assert (0, 0) == await looking
    assert 1 == await database.read(rows)


async def test_many_writers_do_not_lose_each_other(database: Database) -> None:
    """Fifty changes at once are fifty changes."""
    list_of = SqlTransfers(database)
    await asyncio.gather(*(list_of.put(a_transfer(f"t{number}")) for number in range(50)))
    assert 50 == await database.read(rows)


async def test_what_was_written_is_there_after_reopening(database_url: str) -> None:
    """Closing loses nothing, and opening again changes nothing."""
    for expected in (0, 1):
        database = Database.open(database_url)
        assert expected == await database.read(rows)
        await database.write(lambda connection: put(connection, "t1"))
        await database.close()


async def test_several_may_open_a_new_database_at_once(database_url: str) -> None:
    """Whoever comes second waits for the first one's migrations."""
    with ThreadPoolExecutor(4) as pool:
        opened = [pool.submit(Database.open, database_url) for _ in range(4)]
    for database in (each.result() for each in opened):
        assert 0 == await database.read(rows)
        await database.close()


def test_refuses_a_database_from_the_future(database_url: str) -> None:
    """Tables that this version does not know are left alone."""
    asyncio.run(Database.open(database_url).close())
    engine = for_upgrade(parse(database_url))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigError, match="newer Roundhouse"):
        Database.open(database_url)


async def test_sqlite_keeps_a_commit_through_a_power_cut(tmp_path: Path) -> None:
    """Write-ahead log, every commit synced, foreign keys held."""
    database = Database.open(f"sqlite:///{tmp_path / 'r.sqlite'}")

    def pragmas(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert ["wal", 2, 1] == await database.write(pragmas)
    await database.close()


async def test_closing_tidies_the_log_of_sqlite_away(tmp_path: Path) -> None:
    """A closed database is one file, which may be copied."""
    database = Database.open(f"sqlite:///{tmp_path / 'r.sqlite'}")
    await database.write(lambda connection: put(connection, "t1"))
    await database.read(rows)
    await database.close()
    assert ["r.sqlite"] == names(tmp_path)


async def test_postgresql_may_drop_its_connections(new_url: Callable[[str], str]) -> None:
    """A server that restarted costs nobody anything."""
    url = new_url("postgres")
    database = Database.open(url)
    await database.write(lambda connection: put(connection, "t1"))
    with psycopg.connect(url, autocommit=True) as admin:
        dropped = admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'roundhouse'"
            " AND datname = current_database()"
        ).fetchall()
    await database.write(lambda connection: put(connection, "t2"))
    assert (1, 2) == (len(dropped), await database.read(rows))
    await database.close()


def test_a_folder_that_is_not_there_is_a_disk_error(tmp_path: Path) -> None:
    """The error says what cannot be opened, and the hint what to look at."""
    with pytest.raises(DiskError, match="unable to open"):
        Database.open(f"sqlite:///{tmp_path / 'nowhere' / 'r.sqlite'}")


def test_a_server_that_is_not_there_is_a_network_error(unused_tcp_port: int) -> None:
    """The error is retryable and does not tell the password."""
    with pytest.raises(NetworkError) as caught:
        Database.open(f"postgresql://me:hunter2@127.0.0.1:{unused_tcp_port}/db")
    assert "hunter2" not in str(caught.value)
    assert caught.value.retryable
