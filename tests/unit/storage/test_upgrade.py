from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Engine

from roundhouse.storage import upgrade as upgrade_module
from roundhouse.storage.engines import for_upgrade, parse
from roundhouse.storage.tables import REVISION, metadata
from roundhouse.storage.upgrade import downgrade, known_revisions, upgrade


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An empty database."""
    engine = for_upgrade(parse(database_url))
    yield engine
    engine.dispose()


def dump(engine: Engine) -> dict[str, object]:
    """The whole schema, as data."""
    inspector = sa.inspect(engine)
    return {
        table: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(table)],
            inspector.get_pk_constraint(table),
            inspector.get_foreign_keys(table),
            inspector.get_indexes(table),
        )
        for table in sorted(inspector.get_table_names())
        if table != "alembic_version"
    }


def test_the_migrations_make_exactly_the_tables(engine: Engine) -> None:
    """Whoever changes `tables.py` writes a migration."""
    upgrade(engine)
    with engine.connect() as connection:
        assert [] == compare_metadata(MigrationContext.configure(connection), metadata)


def test_up_down_up_gives_the_same_dump(engine: Engine) -> None:
    """Every step can be taken back, and taken again."""
    upgrade(engine)
    before = dump(engine)
    downgrade(engine, "base")
    assert {} == dump(engine)
    upgrade(engine)
    assert before == dump(engine)


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    """What is there stays."""
    upgrade(engine)
    before = dump(engine)
    upgrade(engine)
    assert before == dump(engine)


def test_the_newest_step_is_the_one_that_the_tables_name() -> None:
    """`Database.open` trusts that name and skips Alembic when it finds it."""
    assert REVISION == known_revisions()[0]


def test_the_steps_are_shipped() -> None:
    """They lie inside the package, with what Alembic runs around them."""
    folder = Path(upgrade_module.__file__).parent / "migrations"
    assert (folder / "env.py").is_file()
    assert len(known_revisions()) == len(list((folder / "versions").glob("v*.py")))
