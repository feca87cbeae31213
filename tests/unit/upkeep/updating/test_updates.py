import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Artifact, TransferState
from roundhouse.core.errors import NotFoundError, OfflineError, RoundhouseError
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.sources.hub import HubSource
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.hub import Hub
from roundhouse.testing.jobs import MemoryJobs
from roundhouse.testing.memory import MemoryArtifacts, MemoryTransfers
from roundhouse.testing.safetensors import a_model_folder
from roundhouse.upkeep import Pulls, PullSettings
from roundhouse.upkeep.updating import Outlook, Updates

NAME = "acme/tiny:Q4_K_M"
OLD, NEW = a_gguf(b"1" * 4000), a_gguf(b"2" * 4000)


class House:
    """A library that follows a hub."""

    def __init__(self, root: Path, hub: Hub) -> None:
        self.hub, self.clock = hub, FakeClock()
        self.library = Library(root, MemoryArtifacts(), Events(), self.clock, keep_revisions=1)
        self.jobs = MemoryJobs(self._perform)
        self.reopen()

    def reopen(self, *, offline: bool = False) -> None:
        """Begin anew, with or without the network."""
        settings = PullSettings(min_free=0, offline=offline)
        sources = {"hf": HubSource(self.hub.endpoint)}
        self.pulls = Pulls(sources, self.library, MemoryTransfers(), self.clock, self.jobs.start, settings)
        self.updates = Updates(self.library, self.pulls)

    async def _perform(self, job_id: str, argument: str) -> None:
        await self.pulls.run(job_id, argument)

    async def pull(self, ref: str) -> None:
        """Pull to the end."""
        await self.jobs.wait((await self.pulls.start(ref)).id)

    async def update(self, model: str = NAME) -> tuple[Outlook, RoundhouseError | dict[str, object] | None]:
        """Update to the end; what was seen, and why it failed."""
        self.clock.advance(60.0)
        outlook = await self.updates.look(model)
        transfer = await self.updates.begin(outlook)
        if transfer is None:
            return outlook, None
        await self.jobs.wait(transfer.id)
        return outlook, (await self.pulls.progress(transfer.id)).transfer.error

    async def held(self, model: str = NAME) -> Artifact:
        """What is served."""
        return await self.library.get(model)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """With one model, at the revision that the hub has."""
    async with Hub() as hub:
        hub.add("acme/tiny", {"tiny-Q4_K_M.gguf": OLD, "tiny-Q8_0.gguf": OLD + b"8"})
        house = House(tmp_path / "library", hub)
        await house.pull("hf:acme/tiny")
        yield house
        await house.jobs.close()


async def test_nothing_is_newer_at_first(house: House) -> None:
    """And nothing is fetched to find that out."""
    sent = house.hub.bytes_sent
    outlook, _ = await house.update()
    assert (False, sent) == (outlook.is_newer, house.hub.bytes_sent)


async def test_a_newer_revision_is_seen_without_fetching_it(house: House) -> None:
    """With what fetching would take."""
    commit = house.hub.add("acme/tiny", {"tiny-Q4_K_M.gguf": NEW})
    sent = house.hub.bytes_sent
    outlook = await house.updates.look(NAME)
    assert outlook.preview is not None
    assert (commit, len(NEW)) == (outlook.preview.plan.revision, outlook.preview.bytes_needed)
    assert sent == house.hub.bytes_sent


async def test_an_update_keeps_the_old_revision_beside_the_new_one(house: House) -> None:
    """Of the same model, and of the same quantisation."""
    before = await house.held()
    commit = house.hub.add("acme/tiny", {"tiny-Q4_K_M.gguf": NEW})
    await house.update()
    assert (NAME, commit) == ((await house.held()).model, (await house.held()).revision)
    assert [before] == [each.artifact for each in await house.library.older(NAME)]


async def test_a_commit_that_is_about_other_files_is_nothing_newer(house: House) -> None:
    """A description has changed, or another quantisation."""
    house.hub.add("acme/tiny", {"README.md": b"words", "tiny-Q8_0.gguf": NEW})
    assert not (await house.updates.look(NAME)).is_newer


async def test_going_back_needs_no_network_and_updating_comes_forth_again(house: House) -> None:
    """It is said that the newer one was here; it is not fetched twice."""
    house.hub.add("acme/tiny", {"tiny-Q4_K_M.gguf": NEW})
    await house.update()
    house.reopen(offline=True)
    await house.library.roll_back(NAME)
    house.reopen()
    sent = house.hub.bytes_sent
    outlook, error = await house.update()
    assert (True, None, sent) == (outlook.was_here, error, house.hub.bytes_sent)
    assert len(NEW) == (await house.held()).size


async def test_a_revision_that_fails_verification_leaves_the_old_one(house: House) -> None:
    """Wrong bytes arrived, were found out, and are gone."""
    before = await house.held()
    house.hub.add("acme/tiny", {"tiny-Q4_K_M.gguf": b"no model at all"})
    _, error = await house.update()
    assert isinstance(error, dict)
    assert "E_SCHEMA" == error["code"]
    assert before == await house.held()
    assert (await house.library.verify(NAME)).ok
    assert 1 == len(list((house.library.root / "blobs").iterdir()))


async def test_a_file_that_is_gone_upstream_is_said(house: House) -> None:
    """Nothing else is taken for it."""
    del house.hub._repos["acme/tiny"].branches["main"]
    house.hub.add("acme/tiny", {"other-Q8_0.gguf": NEW})
    with pytest.raises(NotFoundError):
        await house.updates.look(NAME)


async def test_offline_says_so(house: House) -> None:
    """Before anything is asked."""
    house.reopen(offline=True)
    with pytest.raises(OfflineError):
        await house.updates.look(NAME)


async def test_only_the_shards_that_changed_are_fetched(house: House) -> None:
    """What lies here already is taken from here."""
    files = a_model_folder()
    house.hub.add("acme/parts", files)
    await house.pull("hf:acme/parts")
    name = "model-00002-of-00002.safetensors"
    house.hub.add("acme/parts", {name: a_model_folder(b"\2")[name]})
    runs = len(house.hub.downloads())
    await house.update("acme/parts")
    fetched = [each.sent for each in house.hub.downloads()[runs:]]
    assert [len(files[name])] == fetched


async def test_an_update_that_runs_is_joined(house: House) -> None:
    """Two that ask get one transfer."""
    house.hub.add("acme/tiny", {"tiny-Q4_K_M.gguf": NEW})
    outlook = await house.updates.look(NAME)
    first, second = await asyncio.gather(*(house.updates.begin(outlook) for _ in range(2)))
    assert first is not None
    assert second is not None
    await house.jobs.wait(first.id)
    assert (first.id, TransferState.DONE) == (second.id, (await house.pulls.progress(first.id)).transfer.state)
