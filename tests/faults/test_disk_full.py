"""A real disk that fills up under a download: it waits without hurry, and goes on when there is room."""

import asyncio
import random
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Transfer, TransferState
from roundhouse.core.clock import SystemClock
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.sources.hub import HubSource
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.hub import Hub
from roundhouse.testing.jobs import MemoryJobs
from roundhouse.testing.memory import MemoryArtifacts, MemoryTransfers
from roundhouse.transfers import FetchOptions
from roundhouse.upkeep import Pulls, PullSettings

pytestmark = pytest.mark.slow

DATA = a_gguf(random.Random(3).randbytes(20 << 20))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


class Bench:
    """A slow hub, and a library on the small disk."""

    def __init__(self, hub: Hub, root: Path) -> None:
        self.hub, self.ballast = hub, root / "ballast"
        library = Library(root / "library", MemoryArtifacts(), Events(), SystemClock())
        settings = PullSettings(min_free=0, room_look_s=0.05, fetch=FetchOptions(chunk_bytes=1 << 20))
        self.jobs = MemoryJobs(self._perform)
        sources = {"hf": HubSource(hub.endpoint)}
        self.pulls = Pulls(sources, library, MemoryTransfers(), SystemClock(), self.jobs.start, settings)

    async def _perform(self, job_id: str, argument: str) -> None:
        await self.pulls.run(job_id, argument)

    async def becomes(self, transfer_id: str, state: TransferState) -> Transfer:
        """The transfer, once it is in *state*."""
        async with asyncio.timeout(60):
            while (now := (await self.pulls.progress(transfer_id)).transfer).state is not state:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        return now

    def fill(self) -> None:
        """Leave no room for anybody."""
        with self.ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(1 << 16)):
                    pass
            except OSError:
                return


@pytest.fixture
async def bench(small_disk: Path) -> AsyncIterator[Bench]:
    """Ready to run out of room."""
    async with Hub() as hub:
        hub.add("acme/tiny", {"tiny-Q4_K_M.gguf": DATA})
        hub.bytes_per_s = 10e6
        bench = Bench(hub, small_disk)
        yield bench
        await bench.jobs.close()


async def test_a_download_waits_for_room(bench: Bench) -> None:
    """One try meets the full disk, none follows while it is full, and the next one brings the rest."""
    transfer = await bench.pulls.start("hf:acme/tiny")
    await bench.hub.sends(4 << 20)
    bench.fill()
    waiting = await bench.becomes(transfer.id, TransferState.PAUSED)
    assert {"reason": "no_space"} == (waiting.error or {})["details"]
    asked = len(bench.hub.downloads())
    with pytest.raises(TimeoutError):  # several looks, and nothing is asked for
        async with asyncio.timeout(0.5):
            await bench.jobs.wait(transfer.id)
    assert asked == len(bench.hub.downloads())
    bench.ballast.unlink()
    await bench.jobs.wait(transfer.id)
    assert TransferState.DONE is (await bench.pulls.progress(transfer.id)).transfer.state
    begin = bench.hub.downloads()[-1].begin
    assert begin > 0
    print(f"D11: a disk of 32 MiB full after {asked} requests, none while it was, and the next one from {begin:,} on")
