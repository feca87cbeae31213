"""The port `Marks`: one suite over the fake and over both databases."""

from datetime import timedelta

import pytest

from roundhouse.core.marks import Mark, Marks, Tag, Use
from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.database import Database
from roundhouse.storage.marks import SqlMarks
from roundhouse.testing.builders import NOON, an_artifact
from roundhouse.testing.marks import MemoryMarks


@pytest.fixture
def marks(database: Database | None) -> Marks:
    """Each of them, empty."""
    return MemoryMarks() if database is None else SqlMarks(database)


async def test_nothing_is_said_at_first(marks: Marks) -> None:
    """An empty store has nothing to tell."""
    assert dict(await marks.all()) == {}


async def test_pins(marks: Marks) -> None:
    """What was said last holds, and nothing else changes."""
    await marks.add_uses([Use("m", NOON, 2)])
    await marks.pin("m", pinned=True)
    assert Mark(pinned=True, last_used_at=NOON, times_used=2) == (await marks.all())["m"]
    await marks.pin("m", pinned=False)
    assert Mark(last_used_at=NOON, times_used=2) == (await marks.all())["m"]


async def test_tags(marks: Marks) -> None:
    """Tags are put on and taken off, by name; what is so already is no error."""
    await marks.tag("m", [Tag("small"), Tag("fast")], [])
    await marks.tag("m", [Tag("fast"), Tag("new")], [Tag("small"), Tag("never-there")])
    assert Mark(tags=(Tag("fast"), Tag("new"))) == (await marks.all())["m"]


async def test_uses_add_up(marks: Marks) -> None:
    """Counts are added; the last use is the latest, in whatever order they are told."""
    later = NOON + timedelta(days=1)
    await marks.add_uses([Use("m", later, 3), Use("n", NOON)])
    await marks.add_uses([Use("m", NOON, 4)])
    await marks.add_uses([])
    assert {
        "m": Mark(last_used_at=later, times_used=7),
        "n": Mark(last_used_at=NOON, times_used=1),
    } == await marks.all()


async def test_a_pinned_model_that_is_used(marks: Marks) -> None:
    """Using what was never used before keeps its pin."""
    await marks.pin("m", pinned=True)
    await marks.add_uses([Use("m", NOON)])
    assert Mark(pinned=True, last_used_at=NOON, times_used=1) == (await marks.all())["m"]


async def test_forgets(marks: Marks) -> None:
    """One model is forgotten whole, and the others are left alone."""
    for model in ("m", "n"):
        await marks.pin(model, pinned=True)
        await marks.tag(model, [Tag("fast")], [])
    await marks.forget("m")
    assert ["n"] == list(await marks.all())


async def test_marks_go_with_the_model(database: Database | None) -> None:
    """Who removes a model from the registry removes its marks in the same step; replacing it keeps them."""
    if database is None:
        pytest.skip("does not apply: the fakes share nothing")
    artifacts, marks = SqlArtifacts(database), SqlMarks(database)
    await artifacts.add(an_artifact("m"))
    await marks.tag("m", [Tag("fast")], [])
    await artifacts.add(an_artifact("m"))
    assert ["m"] == list(await marks.all())
    await artifacts.remove("m")
    assert {} == await marks.all()
