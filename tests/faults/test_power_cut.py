"""A power cut at any moment, with whatever of the unsynced writes: no bad state, and the work goes on."""

import asyncio
import copy
import hashlib
import os
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.faults.crash_model import Entry, Recorder, Step, Sync, Write, wreck

from roundhouse.core.artifacts import Digest
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.jobs import MemoryJobs
from roundhouse.testing.memory import MemoryArtifacts, MemoryTransfers
from roundhouse.testing.source import ScriptedSource
from roundhouse.transfers import FetchOptions
from roundhouse.upkeep import Pulls, PullSettings, Repairs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CHUNK, SEED = 4096, 18
#: What `times` is outside of `make faults`.
SAMPLE = 3
DATA = a_gguf(hashlib.shake_256(b"weights").digest(20_000))
DIGEST = Digest(hashlib.sha256(DATA).hexdigest())


class House:
    """A library on one folder, whose database is two dictionaries that never lose a transaction."""

    def __init__(self, root: Path, recorder: Recorder | None = None) -> None:
        self.artifacts, self.transfers, self._recorder = MemoryArtifacts(), MemoryTransfers(), recorder
        if recorder is not None:
            for store in (self.artifacts, self.transfers):
                self._tell(store)
        self.library = Library(root, self.artifacts, Events(), FakeClock(), chunk_bytes=CHUNK)
        self.jobs = MemoryJobs(self._perform)
        source = ScriptedSource(DATA)
        source.scheme = "hf"
        settings = PullSettings(min_free=0, fetch=FetchOptions(chunk_bytes=CHUNK, block_bytes=1024))
        self.pulls = Pulls({"hf": source}, self.library, self.transfers, FakeClock(), self.jobs.start, settings)
        self.repairs = Repairs(self.library, self.pulls.supply(), FakeClock())

    async def _perform(self, job_id: str, argument: str) -> None:
        await self.pulls.run(job_id, argument)

    def _tell(self, store: MemoryArtifacts | MemoryTransfers) -> None:
        """Write down each transaction of *store*."""
        for name in (
            "add",
            "switch",
            "add_all",
            "remove",
            "mark_verified",
            "put_fingerprint",
            "drop_fingerprints",
            "put",
        ):
            if hasattr(store, name):
                setattr(store, name, self._noting(getattr(store, name)))

    def _noting(self, change: Any) -> Any:
        async def changed(*arguments: Any) -> Any:
            result = await change(*arguments)
            if self._recorder is not None:
                self._recorder.note(self.rows())
            return result

        return changed

    def rows(self) -> object:
        """All that the database holds."""
        return [
            {name: copy.copy(rows) for name, rows in vars(store).items() if isinstance(rows, dict)}
            for store in (self.artifacts, self.transfers)
        ]

    def restore(self, rows: Any) -> None:
        """Begin with what a database held."""
        for store, held in zip((self.artifacts, self.transfers), rows or ({}, {}), strict=True):
            vars(store).update(
                {name: copy.copy(each) for name, each in held.items() if not callable(each)} if held else {}
            )

    async def pull(self) -> None:
        """Go on with what was begun, or begin."""
        await self.pulls.recover()
        for each in await self.pulls.list():
            if not each.transfer.state.over:
                await self.jobs.wait(each.transfer.id)
        if not await self.library.list():
            await self.jobs.wait((await self.pulls.start("hf:tiny", "tiny")).id)
        await self.jobs.close()


def is_right(path: Path) -> bool:
    """Whether the blob is there, and is what its name says."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == path.name.removeprefix("sha256-")


def leftovers(root: Path) -> list[Path]:
    """What nobody will ever come back for.

    A journal or an owner whose removal did not last is no bytes to speak of, and goes when the same bytes come again.
    """
    found = [path for folder in ("partials", "plans", "quarantine") for path in (root / folder).glob("*")]
    return [path for path in found if path.suffix not in {".journal", ".owner"} or path.with_suffix(".part").exists()]


@pytest.fixture
def start_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Let the machine have been started anew: no process of before lives, though this one does."""
    boot = tmp_path / "boot_id"
    monkeypatch.setattr("roundhouse.transfers.claims.BOOT", boot)

    def start(number: object) -> None:
        boot.write_text(f"{number}\n")

    start("recorded")
    return start


def crashes(steps: Sequence[Step], begin: int, count: int) -> Sequence[int]:
    """Moments to crash at: each of them in turn, as often as *count* allows."""
    return [begin + number % (len(steps) - begin + 1) for number in range(count)]


def told(what: str, steps: Sequence[Step], count: int, lost: int) -> str:
    """The counts, for people."""
    kinds = {kind.__name__: sum(isinstance(step, kind) for step in steps) for kind in (Write, Entry, Sync)}
    return f"D18: {count} power cuts in {what} of {len(steps)} steps {kinds}, {lost} steps lost, no bad state"


async def test_a_pull_survives_power_cuts(tmp_path: Path, times: int, start_machine: Callable[[object], None]) -> None:
    """What is registered is there and right in every state; each goes on to the right end, and tidies up."""
    (home := tmp_path / "recorded").mkdir()
    recorder, chance, lost = Recorder(home), random.Random(SEED), 0
    with recorder.recording():
        await House(home, recorder).pull()
    count = times * (80 if times > SAMPLE else 30)
    for number, at in enumerate(crashes(recorder.steps, 0, count)):
        left = wreck(recorder.steps, at, chance)
        root = tmp_path / f"crash-{number}"
        await asyncio.to_thread(left.restore, root)
        start_machine(number)
        house = House(root)
        house.restore(left.note)
        registered = [file.digest for artifact in await house.library.list() for file in artifact.files]
        assert all(is_right(house.library.blobs.path_of(digest)) for digest in registered), (number, at)
        assert all(is_right(path) for path in root.glob("blobs/*")), (number, at)
        await house.pull()
        assert is_right(house.library.blobs.path_of(DIGEST)), (number, at)
        assert [] == leftovers(root), (number, at)
        lost += left.lost
        await asyncio.to_thread(shutil.rmtree, root)
    assert lost
    print(told("a pull", recorder.steps, count, lost))


async def test_a_repair_survives_power_cuts(
    tmp_path: Path, times: int, start_machine: Callable[[object], None]
) -> None:
    """The blob is the damaged one or the right one in every state; repairing again makes it right, and tidies up."""
    (home := tmp_path / "recorded").mkdir()
    recorder, chance, lost = Recorder(home), random.Random(SEED), 0
    with recorder.recording():
        house = House(home, recorder)
        await house.pull()
        begin = len(recorder.steps)
        await asyncio.to_thread(spoil, house.library.blobs.path_of(DIGEST))
        damaged = len(recorder.steps)
        assert (await house.repairs.repair("tiny")).ok
    count = times * (20 if times > SAMPLE else 10)
    for number, at in enumerate(crashes(recorder.steps, damaged, count)):
        left = wreck(recorder.steps, at, chance)
        root = tmp_path / f"crash-{number}"
        await asyncio.to_thread(left.restore, root)
        start_machine(number)
        house = House(root)
        house.restore(left.note)
        await house.pulls.recover()
        path = house.library.blobs.path_of(DIGEST)
        assert hashlib.sha256(await asyncio.to_thread(path.read_bytes)).hexdigest() in {DIGEST, SPOILED}, (number, at)
        assert (await house.repairs.repair("tiny")).ok, (number, at)
        assert is_right(path), (number, at)
        assert [] == leftovers(root), (number, at)
        lost += left.lost
        await asyncio.to_thread(shutil.rmtree, root)
    assert lost
    assert begin < damaged
    print(told("a repair", recorder.steps[damaged:], count, lost))


def spoil(path: Path) -> None:
    """Flip a bit in the second chunk, on the platter."""
    with path.open("r+b", buffering=0) as file:
        file.seek(5000)
        file.write(bytes([DATA[5000] ^ 1]))
        os.fsync(file.fileno())


SPOILED = hashlib.sha256(DATA[:5000] + bytes([DATA[5000] ^ 1]) + DATA[5001:]).hexdigest()
