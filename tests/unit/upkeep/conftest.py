"""A library with one scripted source, and the pulls over it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.jobs import MemoryJobs
from roundhouse.testing.memory import MemoryArtifacts, MemoryTransfers
from roundhouse.testing.source import ScriptedSource
from roundhouse.transfers import FetchOptions, Patience
from roundhouse.upkeep import Progress, Pulls, PullSettings

CHUNK = 4096


class Bench:
    """Everything a pull touches."""

    def __init__(self, root: Path) -> None:
        self.source = ScriptedSource(a_gguf(bytes(40_000)))
        self.artifacts = MemoryArtifacts()
        self.library = Library(root, self.artifacts, Events(), FakeClock(), chunk_bytes=CHUNK)
        self.transfers = MemoryTransfers()
        self.jobs = MemoryJobs(self._perform)
        self.pulls = self.make()

    def make(self, **settings: object) -> Pulls:
        """Pulls with other settings, over the same library, as after a restart."""
        fetch = FetchOptions(chunk_bytes=CHUNK, block_bytes=1024, patience=Patience(tries=2, base_s=0.0))
        chosen = PullSettings(**{"min_free": 0, "fetch": fetch, **settings})  # type: ignore[arg-type]
        sources = {"file": self.source, "hf": self.source}
        self.pulls = Pulls(sources, self.library, self.transfers, FakeClock(), self.jobs.start, chosen)
        return self.pulls

    async def _perform(self, job_id: str, argument: str) -> None:
        await self.pulls.run(job_id, argument)

    async def pull(self, ref: str = "file:/tiny", model: str | None = None) -> Progress:
        """Pull to the end."""
        transfer = await self.pulls.start(ref, model)
        await self.jobs.wait(transfer.id)
        return await self.pulls.progress(transfer.id)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """An empty one."""
    bench = Bench(tmp_path / "library")
    yield bench
    await bench.jobs.close()
