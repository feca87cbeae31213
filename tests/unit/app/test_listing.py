"""The list of models is remembered, and never behind."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roundhouse.app import Roundhouse, open_roundhouse
from roundhouse.settings import load

NAME = "roundhouse/noise"
pytestmark = pytest.mark.slow


@pytest.fixture
async def house(home: Path) -> AsyncIterator[Roundhouse]:
    """A house with noise."""
    (home / "run").mkdir()
    flags = {"discovery.enabled": False, "downloads.offline": True}
    async with open_roundhouse(load(home=home, flags=flags, environment={}), url="http://127.0.0.1:8484") as house:
        yield house


async def test_what_has_not_changed_is_not_made_anew(house: Roundhouse) -> None:
    """The same model twice, also after the fleet was asked again; another one once something is said about it."""
    (first,) = await house.management.models()
    await house.rooms.fleet.refresh()
    (second,) = await house.management.models()
    await house.management.tag_model(NAME, ["fast"], [])
    (third,) = await house.management.models()
    assert (second is first, third is first, third.tags) == (True, False, ("fast",))


async def test_uses_are_listed(house: Roundhouse) -> None:
    """As soon as the request is over."""
    house.rooms.marking.used(NAME, house.rooms.clock.now())
    (listed,) = await house.management.models()
    shown = await house.management.model(NAME)
    assert (listed.times_used, shown.times_used) == (1, 1)
    assert listed.last_used_at == shown.last_used_at


async def test_disk_use(house: Roundhouse, tmp_path: Path) -> None:
    """A file outside that is linked to a blob keeps its bytes."""
    alone = (await house.management.model(NAME)).disk
    (artifact,) = await house.rooms.library.list()
    (tmp_path / "elsewhere").hardlink_to(house.rooms.library.blobs.path_of(artifact.files[0].digest))
    linked = (await house.management.model(NAME)).disk
    assert alone is not None
    assert linked is not None
    size = artifact.size
    assert (alone.bytes, alone.linked_elsewhere, alone.freed_by_removal) == (size, 0, size)
    assert (linked.bytes, linked.linked_elsewhere, linked.freed_by_removal) == (size, size, 0)
