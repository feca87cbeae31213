"""The journal of a migration survives being cut off."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from roundhouse.core.errors import NotFoundError
from roundhouse.migration.found import Kind
from roundhouse.migration.journal import Adopted, Adopting, Event, Header, Journal, Journals, Marked
from roundhouse.migration.planning import MigrationPlan, Wish
from roundhouse.testing.adoption import digest_of
from roundhouse.testing.builders import an_artifact


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A migration that has begun."""
    begun = Journals(tmp_path / "migrations").journal("0" * 12)
    begun.begin(Header(begun.id, datetime(2026, 5, 4, tzinfo=UTC), MigrationPlan(Kind.OLLAMA, tmp_path, Wish())))
    return begun


def test_what_was_written_is_read_again(journal: Journal) -> None:
    """With the types that it had."""
    digest = digest_of(b"x")
    events: list[Event] = [Adopting("m", (digest,), (digest,), (an_artifact(),)), Adopted("m"), Marked("applied")]
    for event in events:
        journal.write(event)
    assert events == journal.events()


def test_a_line_that_was_cut_off_announced_nothing(journal: Journal) -> None:
    """And does not spoil the next one."""
    journal.write(Adopted("m"))
    with (journal.folder / "journal").open("ab") as file:
        file.write(b'{"type":"adop')
    journal.write(Adopted("n"))
    assert [Adopted("m"), Adopted("n")] == journal.events()


def test_a_migration_without_its_plan_never_began(tmp_path: Path) -> None:
    """What a kill left of it is removed."""
    folder = tmp_path / "migrations" / ("1" * 12)
    folder.mkdir(parents=True)
    (folder / "plan.tmp").write_bytes(b"{")
    assert ([], False) == (list(Journals(tmp_path / "migrations").known()), folder.exists())


def test_a_plan_that_cannot_be_read_is_no_plan(journal: Journal) -> None:
    """That is said, and nothing is guessed."""
    (journal.folder / "plan.json").write_bytes(b"{}")
    with pytest.raises(NotFoundError):
        journal.header()
    assert [] == Journals(journal.folder.parent).known()
