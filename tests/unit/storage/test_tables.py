import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from roundhouse.storage.engines import connect, parse
from roundhouse.storage.tables import Instant, append_from_json, append_only, upsert

_notes = sa.Table(
    "notes",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", Instant),
    sa.Column("n", sa.JSON),
)
_EARLY = datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database with one small table."""
    engines = connect(parse(database_url))
    _notes.metadata.create_all(engines.writer)
    yield engines.writer
    engines.dispose()


def written(engine: Engine, statement: sa.TextClause, *rows: dict[str, object]) -> list[tuple[object, ...]]:
    """What the table holds after *rows* were written."""
    with engine.begin() as connection:
        connection.execute(statement, rows)
        return [tuple(row) for row in connection.execute(sa.select(_notes).order_by(_notes.c.id))]


def test_a_moment_is_the_same_moment_again(engine: Engine) -> None:
    """Any zone goes in, UTC comes out, and no microsecond is lost."""
    tokyo = _EARLY.astimezone(timezone(timedelta(hours=9)))
    [(_, at, _)] = written(engine, upsert(_notes), {"id": 1, "at": tokyo, "n": None})
    assert (_EARLY, UTC) == (at, at.tzinfo if isinstance(at, datetime) else None)


def test_no_moment_stays_none(engine: Engine) -> None:
    """A moment that has not come is not a moment."""
    assert [(1, None, [1])] == written(engine, upsert(_notes), {"id": 1, "at": None, "n": [1]})


def test_append_only_leaves_known_rows_alone(engine: Engine) -> None:
    """The first row of a key wins, in one batch and across."""
    batch = [[1, None, "[1]"], [1, None, "[2]"], [2, None, "[3]"]]
    with engine.begin() as connection:
        append(connection, batch)
        append(connection, [[2, None, "[4]"]])
        found = connection.execute(sa.select(_notes.c.id, _notes.c.n).order_by(_notes.c.id)).all()
    assert [(1, [1]), (2, [3])] == [tuple(row) for row in found]


def append(connection: sa.Connection, rows: Sequence[Sequence[object]]) -> None:
    """Append as the database of *connection* wants it."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(append_from_json(_notes), (json.dumps(rows),))
    else:
        connection.exec_driver_sql(
            append_only(_notes), [dict(zip(("id", "at", "n"), row, strict=True)) for row in rows]
        )


def test_upsert_overwrites_known_rows(engine: Engine) -> None:
    """The last row of a key wins, with every column."""
    rows: list[dict[str, object]] = [{"id": 1, "at": _EARLY, "n": [1]}, {"id": 1, "at": None, "n": [2]}]
    assert [(1, None, [2])] == written(engine, upsert(_notes), *rows)
