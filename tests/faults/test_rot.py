"""Bytes that rot at rest, with the time of change kept: all of it is found, and a repair moves only wrong chunks."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from roundhouse.core.clock import SystemClock
from roundhouse.core.desks.repair import Repair
from roundhouse.core.events import Events
from roundhouse.library import Library, VerifyReport
from roundhouse.sources.hub import HubSource
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.hub import Hub
from roundhouse.testing.jobs import MemoryJobs
from roundhouse.testing.memory import MemoryArtifacts, MemoryTransfers
from roundhouse.transfers import FetchOptions
from roundhouse.upkeep import Pulls, PullSettings, Repairs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BLOBS, CHUNK, CHUNKS = 50, 1 << 16, 16
SEED = 17
#: What `times` is outside of `make faults`.
SAMPLE = 3
#: What a damage did to the file: the numbers of the chunks that are wrong now.
Damage = Callable[[random.Random, Path], set[int]]


def write(path: Path, offset: int, data: bytes) -> set[int]:
    """Overwrite some bytes within a chunk."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
    return {offset // CHUNK}


def flip(path: Path, offset: int, bit: int) -> set[int]:
    """Flip one bit."""
    return write(path, offset, bytes([path.read_bytes()[offset] ^ 1 << bit]))


def flip_in_the_header(chance: random.Random, path: Path) -> set[int]:
    """Among the first bytes, which say what the rest is."""
    return flip(path, chance.randrange(100), chance.randrange(8))


def flip_in_the_middle(chance: random.Random, path: Path) -> set[int]:
    """Anywhere."""
    return flip(path, chance.randrange(path.stat().st_size), chance.randrange(8))


def flip_in_the_tail(chance: random.Random, path: Path) -> set[int]:
    """Among the last bytes."""
    return flip(path, path.stat().st_size - 1 - chance.randrange(64), chance.randrange(8))


def zero_a_block(chance: random.Random, path: Path) -> set[int]:
    """As a disk does that has lost a page."""
    return write(path, chance.randrange(path.stat().st_size // 4096) * 4096, bytes(4096))


def punch_a_hole(chance: random.Random, path: Path) -> set[int]:
    """As a sparse copy does that was interrupted: the bytes of a chunk were never written."""
    data, at = path.read_bytes(), chance.randrange(CHUNKS - 1) * CHUNK
    os.truncate(path, at)
    os.truncate(path, at + CHUNK)
    with path.open("ab") as file:
        file.write(data[at + CHUNK :])
    return {at // CHUNK}


def cut_the_end(chance: random.Random, path: Path) -> set[int]:
    """Anywhere but at the beginning."""
    size = path.stat().st_size
    at = size - chance.randrange(1, size)
    os.truncate(path, at)
    return set(range(at // CHUNK, -(-size // CHUNK)))


def lengthen(chance: random.Random, path: Path) -> set[int]:
    """Bytes that belong to nobody; none of ours is wrong."""
    with path.open("ab") as file:
        file.write(chance.randbytes(chance.randrange(1, 2 * CHUNK)))
    return set()


def empty(_chance: random.Random, path: Path) -> set[int]:
    """Nothing is left."""
    whole = set(range(-(-path.stat().st_size // CHUNK)))
    os.truncate(path, 0)
    return whole


#: Flips most of all: the rest is seen by its size or soon.
DAMAGES: tuple[Damage, ...] = (
    *(flip_in_the_header, flip_in_the_middle, flip_in_the_tail) * 3,
    zero_a_block,
    punch_a_hole,
    cut_the_end,
    lengthen,
    empty,
)


class House:
    """Fifty models that a hub still has."""

    def __init__(self, hub: Hub, root: Path) -> None:
        self.hub, chance = hub, random.Random(SEED)
        self.library = Library(root, MemoryArtifacts(), Events(), SystemClock(), chunk_bytes=CHUNK)
        self.data = {f"m{number:02}": a_gguf(chance.randbytes(CHUNKS * CHUNK - 4096)) for number in range(BLOBS)}
        for name, data in self.data.items():
            hub.add(f"acme/{name}", {f"{name}.gguf": data})
        self.jobs = MemoryJobs(self._perform)
        settings = PullSettings(min_free=0, fetch=FetchOptions(chunk_bytes=CHUNK))
        sources = {"hf": HubSource(hub.endpoint)}
        self.pulls = Pulls(sources, self.library, MemoryTransfers(), SystemClock(), self.jobs.start, settings)
        self.repairs = Repairs(self.library, self.pulls.supply(), SystemClock())

    async def _perform(self, job_id: str, argument: str) -> None:
        await self.pulls.run(job_id, argument)

    async def fill(self) -> None:
        """Pull all of them, and read them once while they are right."""
        for name in self.data:
            await self.jobs.wait((await self.pulls.start(f"hf:acme/{name}", name)).id)
            assert (await self.library.verify(name)).ok

    async def path(self, name: str) -> Path:
        """Where the bytes of a model are."""
        return self.library.blobs.path_of((await self.library.get(name)).files[0].digest)

    async def suffer(self, name: str, damage: Damage, chance: random.Random) -> tuple[set[int], VerifyReport, Repair]:
        """Damage a model, look, repair: the wrong chunks, what was seen, what was done."""
        path = await self.path(name)
        wrong = await asyncio.to_thread(rot, path, damage, chance)
        report = await self.library.verify(name)
        return wrong, report, await self.repairs.repair(name)


def rot(path: Path, damage: Damage, chance: random.Random) -> set[int]:
    """Damage a file, and keep its time of change."""
    stat = path.stat()
    wrong = damage(chance, path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return wrong


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """All of it right."""
    async with Hub() as hub:
        house = House(hub, tmp_path)
        await house.fill()
        yield house
        await house.jobs.close()


async def test_all_rot_is_found_and_only_wrong_chunks_move(house: House, times: int) -> None:
    """By the hub's own count of the bytes that left it."""
    chance, fired, moved = random.Random(SEED), Counter[str](), 0
    for number in range(times * (BLOBS if times > SAMPLE else 20)):
        name, damage = f"m{number % BLOBS:02}", chance.choice(DAMAGES)
        before, stretch = house.hub.bytes_sent, len(house.data[name])
        wrong, report, repair = await house.suffer(name, damage, chance)
        assert (damage.__name__, False, True) == (damage.__name__, report.ok, repair.ok)
        assert house.data[name] == (await house.path(name)).read_bytes()
        bill = sum(min(CHUNK, stretch - chunk * CHUNK) for chunk in wrong)
        assert (bill, bill) == (house.hub.bytes_sent - before, repair.bytes_fetched)
        fired[damage.__name__] += 1
        moved += bill
    assert {damage.__name__ for damage in DAMAGES} <= set(fired)
    print(
        f"D17: {fired.total()} damages over {BLOBS} blobs, all found and repaired, {moved:,} bytes moved: {dict(fired)}"
    )


async def test_rot_that_nobody_can_repair_is_put_aside(house: House) -> None:
    """The hub is gone: no wrong byte stays where a runtime could load it, and the way back works."""
    house.hub.rename("acme/m00", "acme/elsewhere")
    house.hub.vanishing.add("acme/elsewhere")
    chance = random.Random(SEED)
    _, report, repair = await house.suffer("m00", flip_in_the_middle, chance)
    assert (False, "quarantined") == (report.ok, repair.files[0].outcome)
    assert not (await house.path("m00")).exists()
    house.hub.vanishing.clear()
    assert (await house.repairs.repair("m00")).ok
    assert house.data["m00"] == (await house.path("m00")).read_bytes()
