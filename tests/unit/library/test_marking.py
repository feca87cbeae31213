import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from roundhouse.core.errors import DiskError, SchemaError
from roundhouse.core.events import ArtifactAdded, ArtifactRemoved
from roundhouse.core.marks import MOST_TAGS, UNMARKED, Mark, Tag, Use
from roundhouse.library.marking import Marking
from roundhouse.testing.builders import NOON
from roundhouse.testing.marks import MemoryMarks

LATER = NOON + timedelta(minutes=1)


class Stubborn(MemoryMarks):
    """A store that can be away, and tells when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.written = asyncio.Event()

    async def add_uses(self, uses: Sequence[Use]) -> None:
        """Count, or be away."""
        if self.away:
            raise DiskError
        await super().add_uses(uses)
        if uses:
            self.written.set()


@pytest.fixture
def store() -> Stubborn:
    """An empty one."""
    return Stubborn()


@pytest.fixture
async def marking(store: Stubborn) -> AsyncIterator[Marking]:
    """Marks that are written only when asked."""
    marking = Marking(store, interval_s=3600)
    await marking.start()
    yield marking
    await marking.close()


async def test_uses_are_seen_at_once_and_written_behind(marking: Marking, store: Stubborn) -> None:
    """The count is right before and after it was written."""
    marking.used("m", NOON)
    marking.used("m", LATER)
    assert (Mark(last_used_at=LATER, times_used=2), {}) == (marking.of("m"), await store.all())
    await marking.flush()
    assert {"m": Mark(last_used_at=LATER, times_used=2)} == await store.all()


async def test_uses_are_written_without_being_asked(store: Stubborn) -> None:
    """A moment later they are in the store."""
    marking = Marking(store, interval_s=0)
    await marking.start()
    marking.used("m", NOON)
    async with asyncio.timeout(5):
        await store.written.wait()
    await marking.close()
    assert {"m": Mark(last_used_at=NOON, times_used=1)} == await store.all()


async def test_closing_writes_what_is_left(store: Stubborn) -> None:
    """The next start knows all of it."""
    first, second = Marking(store, interval_s=3600), Marking(store)
    await first.start()
    first.used("m", NOON)
    await first.close()
    await second.start()
    await second.close()
    assert second.of("m").times_used == 1


async def test_a_store_that_is_away_costs_no_use(marking: Marking, store: Stubborn) -> None:
    """What could not be written is added to what comes meanwhile."""
    store.away = True
    marking.used("m", NOON)
    with pytest.raises(DiskError):
        await marking.flush()
    marking.used("m", LATER)
    store.away = False
    await marking.flush()
    assert {"m": Mark(last_used_at=LATER, times_used=2)} == await store.all()


async def test_pins_and_tags_are_kept_before_they_are_answered(marking: Marking, store: Stubborn) -> None:
    """What was answered is what the store holds."""
    await marking.pin("m", pinned=True)
    answered = await marking.tag("m", [Tag("new"), Tag("fast")], [Tag("new"), Tag("old")])
    assert answered == (await store.all())["m"] == Mark(pinned=True, tags=(Tag("fast"), Tag("new")))


async def test_too_many_tags(marking: Marking) -> None:
    """There is an end to them, and nothing changes beyond it."""
    with pytest.raises(SchemaError, match="more than 32 tags"):
        await marking.tag("m", [Tag(f"t{number}") for number in range(MOST_TAGS + 1)], [])
    assert marking.of("m") == UNMARKED


@pytest.mark.parametrize("text", ["", " ", "a b", "-a", "x" * 65, "é", "a/b", "a\nb"])
def test_what_is_no_tag(text: str) -> None:
    """A tag can be typed, printed and asked for."""
    with pytest.raises(SchemaError):
        Tag(text)


async def test_a_removed_model_is_forgotten(marking: Marking, store: Stubborn) -> None:
    """Also what was not written yet; one that was replaced keeps its marks."""
    marking.used("m", NOON)
    marking.used("n", NOON)
    marking.listen(ArtifactAdded("n"))
    marking.listen(ArtifactRemoved("m"))
    await marking.flush()
    assert (UNMARKED, ["n"]) == (marking.of("m"), list(await store.all()))
