"""What every `Management` promises about repairs. A house under test has `NAME` in its library."""

import asyncio
from pathlib import Path

import pytest

from roundhouse.core.errors import NotFoundError
from roundhouse.core.management import Management
from roundhouse.testing.management_service import InMemoryManagement

NAME = "roundhouse/noise"


def spoil(management: Management, home: Path) -> None:
    """Flip a bit of the model's bytes."""
    if isinstance(management, InMemoryManagement):
        management.rotten.add(NAME)
        return
    (blob,) = home.rglob("blobs/sha256-*")
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)


async def test_right_bytes_are_left_alone(management: Management) -> None:
    """Nothing moves."""
    done = await management.repair_model(NAME)
    assert (True, {"right"}, 0) == (done.ok, {file.outcome for file in done.files}, done.bytes_fetched)


async def test_wrong_bytes_are_made_right(management: Management, home: Path) -> None:
    """First the promise, then the deed, then they are right."""
    await asyncio.to_thread(spoil, management, home)
    promised = await management.repair_model(NAME, dry_run=True)
    assert (False, {"damaged"}) == (promised.ok, {file.outcome for file in promised.files})
    assert not (await management.verify_model(NAME)).ok
    done = await management.repair_model(NAME)
    assert (True, {"repaired"}) == (done.ok, {file.outcome for file in done.files})
    assert promised.bytes_fetched == done.bytes_fetched <= done.bytes_damaged == promised.bytes_damaged
    assert (await management.verify_model(NAME)).ok


@pytest.mark.parametrize("name", ["nobody", "", "a/b:c", "\N{SNOWMAN}"])
async def test_unknown_names(management: Management, name: str) -> None:
    """Are not repaired."""
    with pytest.raises(NotFoundError):
        await management.repair_model(name)
