"""Whatever a registry does wrong, a pull ends with the right bytes, or with an error and nothing registered."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Transfer, TransferState
from roundhouse.core.clock import SystemClock
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.sources.registry import RegistrySource
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.jobs import MemoryJobs
from roundhouse.testing.memory import MemoryArtifacts, MemoryTransfers
from roundhouse.testing.registry import Registry
from roundhouse.testing.registry_push import OLLAMA, Layer, push
from roundhouse.transfers import FetchOptions, Patience
from roundhouse.upkeep import Pulls, PullSettings

pytestmark = pytest.mark.slow

WEIGHTS = Layer(f"{OLLAMA}model", a_gguf(random.Random(11).randbytes(3_000_000)))


class Bench:
    """A registry with one model, and an empty library."""

    def __init__(self, registry: Registry, root: Path) -> None:
        self.registry = registry
        self.library = Library(root, MemoryArtifacts(), Events(), SystemClock())
        fetch = FetchOptions(chunk_bytes=1 << 18, block_bytes=1 << 16, patience=Patience(tries=3, base_s=0.001))
        self.jobs = MemoryJobs(self._perform)
        sources, settings = {"ollama": RegistrySource(registry.url)}, PullSettings(min_free=0, fetch=fetch)
        self.pulls = Pulls(sources, self.library, MemoryTransfers(), SystemClock(), self.jobs.start, settings)

    async def _perform(self, job_id: str, argument: str) -> None:
        await self.pulls.run(job_id, argument)

    async def pull(self) -> Transfer:
        """Pull to the end, whichever it is."""
        started = await self.pulls.start("ollama:tiny")
        async with asyncio.timeout(30):
            await self.jobs.wait(started.id)
        return (await self.pulls.progress(started.id)).transfer


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Everything, in order."""
    async with Registry() as registry:
        await push(registry.url, "library/tiny", "latest", [WEIGHTS])
        bench = Bench(registry, tmp_path)
        yield bench
        await bench.jobs.close()


@pytest.mark.parametrize("faults", [["cut"], ["broken", "broken"], ["expired"], ["expired", "cut", "broken"]])
async def test_what_passes_is_waited_for(bench: Bench, faults: list[str]) -> None:
    """The storage cuts, fails, or forgets whom it let in; the registry is asked again, and the bytes are right."""
    bench.registry.wishes.storage.extend(faults)  # type: ignore[arg-type]  # the parameters are such words
    assert TransferState.DONE is (await bench.pull()).state
    assert [] == bench.registry.wishes.storage
    assert (await bench.library.verify("tiny:latest")).ok
    assert len(faults) + 1 == len(bench.registry.asked_of("storage"))


async def test_wrong_bytes_are_not_registered(bench: Bench) -> None:
    """E_VERIFY: the manifest names the digest, and nothing of them is kept."""
    bench.registry.wishes.storage.append("wrong-bytes")
    failed = await bench.pull()
    assert [] == bench.registry.wishes.storage
    assert (TransferState.FAILED, "E_VERIFY") == (failed.state, (failed.error or {})["code"])
    assert ([], []) == (list(await bench.library.list()), list(bench.library.partials.iterdir()))


async def test_what_does_not_pass_is_said(bench: Bench) -> None:
    """E_NET after the tries, and what has arrived is kept for the next pull."""
    bench.registry.wishes.storage.extend(["cut", "broken", "broken"])
    failed = await bench.pull()
    assert (TransferState.FAILED, "E_NET") == (failed.state, (failed.error or {})["code"])
    assert [] == bench.registry.wishes.storage
    assert TransferState.DONE is (await bench.pull()).state
    assert [] == [each.token for each in bench.registry.asked_of("storage") if each.token]
