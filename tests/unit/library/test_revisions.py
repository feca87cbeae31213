"""Switching between revisions, as the library does it. The rules are in `revisions/test_keeping.py`."""

import asyncio
import os
from pathlib import Path

import pytest
from tests.unit.library.test_library import a_plan, put

from roundhouse.core.artifacts import Artifact
from roundhouse.core.errors import NotFoundError, SchemaError
from roundhouse.core.events import Event, Events
from roundhouse.library import Library
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.memory import MemoryArtifacts


class Shelves:
    """A library that keeps one older revision, and what it told."""

    def __init__(self, root: Path) -> None:
        self.clock, self.heard, events = FakeClock(), list[Event](), Events()
        events.subscribe(self.heard.append)
        self.library = Library(root, MemoryArtifacts(), events, self.clock, keep_revisions=1)

    async def add(self, filling: bytes, *, of: bytes | None = None) -> Artifact:
        """One more revision of the model, which may be no model at all."""
        self.clock.advance(60.0)
        data = a_gguf(filling * 64) if of is None else of
        return await self.library.add_from_transfer(a_plan("tiny"), [put(self.library, data)])


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    """Empty ones."""
    return Shelves(tmp_path)


async def test_the_old_revision_stays_beside_the_new_one(shelves: Shelves) -> None:
    """Bytes and folder, until one more comes."""
    first, second = await shelves.add(b"1"), await shelves.add(b"2")
    assert first == (await shelves.library.older("tiny"))[0].artifact
    assert shelves.library.path_of(first).exists()
    await shelves.add(b"3")
    assert not shelves.library.path_of(first).exists()
    assert not shelves.library.blobs.has(first.files[0].digest)
    assert shelves.library.blobs.has(second.files[0].digest)


async def test_going_back_and_forth(shelves: Shelves) -> None:
    """Nothing is lost by it, and whoever serves is told."""
    first, second = await shelves.add(b"1"), await shelves.add(b"2")
    shelves.heard.clear()
    assert first == await shelves.library.roll_back("tiny")
    assert first == await shelves.library.get("tiny")
    assert second == await shelves.library.roll_back("tiny", second.key)
    assert 2 == len(shelves.heard)


async def test_a_dry_run_changes_nothing(shelves: Shelves) -> None:
    """It only says which one it would be."""
    first, second = await shelves.add(b"1"), await shelves.add(b"2")
    assert first == await shelves.library.roll_back("tiny", dry_run=True)
    assert second == await shelves.library.get("tiny")


async def test_a_revision_whose_bytes_are_gone_is_not_served(shelves: Shelves) -> None:
    """The served one stays."""
    first, second = await shelves.add(b"1"), await shelves.add(b"2")
    shelves.library.blobs.path_of(first.files[0].digest).unlink()
    with pytest.raises(NotFoundError):
        await shelves.library.roll_back("tiny")
    assert second == await shelves.library.get("tiny")


async def test_a_bad_revision_leaves_the_old_one(shelves: Shelves) -> None:
    """And nothing of itself."""
    first = await shelves.add(b"1")
    with pytest.raises(SchemaError):
        await shelves.add(b"", of=b"no model")
    assert first == await shelves.library.get("tiny")
    assert [] == list(await shelves.library.older("tiny"))


@pytest.mark.parametrize("step", ["ensure", "switch", "keep_only"])
async def test_a_switch_that_dies_leaves_one_or_the_other(shelves: Shelves, step: str) -> None:
    """Whole, with a folder of its own, and right after the next start."""
    first, second = await shelves.add(b"1"), await shelves.add(b"2")
    library = shelves.library
    owner: object = library._artifacts if step == "switch" else library._folders
    real = getattr(owner, step)

    def die(*_: object) -> None:
        raise asyncio.CancelledError

    setattr(owner, step, die)
    with pytest.raises(asyncio.CancelledError):
        await library.roll_back("tiny")
    setattr(owner, step, real)
    await library.tidy()
    assert (await library.get("tiny")) == (first if step == "keep_only" else second)
    assert library.path_of(await library.get("tiny")).exists()
    assert (await library.verify("tiny")).ok


async def test_bytes_that_came_again_with_a_bad_revision_are_still_right(shelves: Shelves) -> None:
    """They have a newer time of change than before, and a quick look does not take that for damage."""
    await shelves.add(b"1")
    data = a_gguf(b"1" * 64)
    file, bad = put(shelves.library, data), put(shelves.library, b"no model", "mmproj.gguf")
    os.utime(shelves.library.blobs.path_of(file.digest), (1, 1))
    with pytest.raises(SchemaError):
        await shelves.library.add_from_transfer(a_plan("other"), [file, bad])
    await shelves.library.verify("tiny")
    os.utime(shelves.library.blobs.path_of(file.digest), (2, 2))
    with pytest.raises(SchemaError):
        await shelves.library.add_from_transfer(a_plan("other"), [file, put(shelves.library, b"no", "mmproj.gguf")])
    assert (await shelves.library.verify("tiny", quick=True)).ok


async def test_removing_takes_all_revisions(shelves: Shelves) -> None:
    """And says beforehand what that frees."""
    first, second = await shelves.add(b"1"), await shelves.add(b"2")
    _, promised = await shelves.library.removal("tiny")
    assert first.size + second.size == promised == await shelves.library.remove("tiny")
    assert [] == list(await shelves.library.older("tiny"))
    assert [] == list((shelves.library.root / "models").iterdir())


async def test_folders_of_nobody_are_removed_at_start(shelves: Shelves) -> None:
    """Such as a kill leaves; a folder keeps its bytes on the disk."""
    artifact = await shelves.add(b"1")
    path = shelves.library.path_of(artifact)
    for stray in (path.parent.with_name("0" * 12), path.parent.parent.with_name("gone-000000000000")):
        stray.mkdir()
        (stray / "old.gguf").write_bytes(b"x")
    path.parent.with_name("old.gguf").write_bytes(b"as an older Roundhouse laid it out")
    await shelves.library.tidy()
    assert [path] == [each for each in (shelves.library.root / "models").rglob("*") if each.is_file()]
