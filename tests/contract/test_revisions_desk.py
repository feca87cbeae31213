"""Newer and older revisions, as every `Management` promises them. A house under test follows `NAME` and holds it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from roundhouse.app import open_roundhouse
from roundhouse.core.artifacts import TransferState
from roundhouse.core.desks.revisions import Update
from roundhouse.core.errors import NotFoundError
from roundhouse.core.management import Management
from roundhouse.settings import load
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.management_service import InMemoryManagement, a_model

NAME = "tiny"


class House:
    """A `Management` with one model, and what its source does."""

    def __init__(self, management: Management, source: Path | None) -> None:
        self.management, self._source = management, source

    def publish(self) -> None:
        """Let there be something newer at the source."""
        if isinstance(self.management, InMemoryManagement):
            self.management.upstream[NAME] = "2" * 40
        elif self._source is not None:
            self._source.write_bytes(a_gguf(b"2" * 400))

    async def over(self, transfer_id: str) -> str:
        """How a transfer ended."""
        async with asyncio.timeout(20):
            while not TransferState((await self.management.transfer(transfer_id)).state).over:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        return (await self.management.transfer(transfer_id)).state

    async def update(self) -> Update:
        """Update to the end."""
        done = await self.management.update_model(NAME)
        if done.transfer is not None and not isinstance(self.management, InMemoryManagement):
            assert "done" == await self.over(done.transfer.id)
        return done

    async def served(self) -> str | None:
        """The revision that is served."""
        return (await self.management.model(NAME)).revision


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def house(
    request: pytest.FixtureRequest, home: Path, tmp_path: Path, new_url: Callable[[str], str]
) -> AsyncIterator[House]:
    """The house in memory, and the real one on both databases, which follows a file on this machine."""
    if request.param == "memory":
        yield House(InMemoryManagement(catalog=[a_model(NAME)]), None)
        return
    (home / "run").mkdir()
    source = tmp_path / "tiny.gguf"
    source.write_bytes(a_gguf(b"1" * 400))
    flags = {"storage.database_url": new_url(request.param), "discovery.enabled": False, "downloads.offline": True}
    async with open_roundhouse(load(home=home, flags=flags), url="http://127.0.0.1:8484") as roundhouse:
        house = House(roundhouse.management, source)
        begun = await house.management.start_pull(f"file:{source}", NAME)
        assert "done" == await house.over(begun.id)
        yield house


async def test_nothing_is_newer_at_first(house: House) -> None:
    """Then an update does nothing, and there is nowhere to go back to."""
    assert "current" == (await house.management.check_update(NAME)).state
    assert (await house.management.update_model(NAME)).transfer is None
    with pytest.raises(NotFoundError):
        await house.management.roll_back_model(NAME)


async def test_something_newer_is_seen_and_left_alone(house: House) -> None:
    """By a look and by a dry run."""
    before = await house.served()
    house.publish()
    check = await house.management.check_update(NAME)
    dry = await house.management.update_model(NAME, dry_run=True)
    assert ("newer", before, None) == (check.state, check.revision, dry.transfer)
    assert before == await house.served()


async def test_forward_and_back(house: House) -> None:
    """What was served is kept, and both are listed."""
    old = await house.served()
    house.publish()
    new = (await house.update()).check.available
    assert new == await house.served()
    back = await house.management.roll_back_model(NAME)
    assert (old, new) == (back.revision, back.before)
    assert old == await house.served()
    shown = (await house.management.model(NAME)).revisions
    assert [(old, True), (new, False)] == [(each.revision, each.served) for each in shown]


async def test_a_dry_rollback_changes_nothing(house: House) -> None:
    """It names the revision that it would be."""
    old = await house.served()
    house.publish()
    await house.update()
    dry = await house.management.roll_back_model(NAME, dry_run=True)
    assert (old, True) == (dry.revision, dry.dry_run)
    assert dry.before == await house.served()


async def test_what_was_rolled_back_is_known_as_such(house: House) -> None:
    """An update that nobody asked for by name would undo it."""
    house.publish()
    new = (await house.update()).check.available
    await house.management.roll_back_model(NAME)
    check = await house.management.check_update(NAME)
    assert (True, new) == (check.was_here, check.available)


async def test_an_unknown_revision_is_not_found(house: House) -> None:
    """However it is spelled."""
    house.publish()
    await house.update()
    with pytest.raises(NotFoundError):
        await house.management.roll_back_model(NAME, "no such revision")


@pytest.mark.parametrize("name", ["nobody", "a/b:c"])
async def test_unknown_names(house: House, name: str) -> None:
    """Whatever is asked of something unknown is NotFoundError."""
    for attempt in (
        house.management.check_update(name),
        house.management.update_model(name),
        house.management.roll_back_model(name),
    ):
        with pytest.raises(NotFoundError):
            await attempt
