"""An update survives kill -9 at any moment: the old revision is served until the new one is, and nothing is mixed."""

import asyncio
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from roundhouse.core.clock import SystemClock
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.database import Database
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.hub import Hub
from roundhouse.testing.hub_faults import FaultKind
from roundhouse.testing.victim import Victim

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VICTIM = Path(__file__).with_name("update_victim.py")
NAME, SIZE, SEED = "acme/tiny:Q4_K_M", 32 << 20, 20_261


@dataclass(frozen=True, slots=True)
class Scene:
    """A hub with a model, and a library that has pulled it."""

    hub: Hub
    url: str
    root: Path
    start_victim: Callable[..., Victim]

    def start(self) -> Victim:
        """Run the victim once more."""
        return self.start_victim(VICTIM, self.url, str(self.root), self.hub.endpoint, "hf:acme/tiny")

    async def to_the_end(self) -> list[str]:
        """What it says when nobody kills it."""
        victim = self.start()
        return await asyncio.to_thread(lambda: list(victim.lines()))

    async def kill_after(self, more: int) -> bool:
        """Let it fetch about *more* bytes and kill it; whether it was still at work."""
        victim, before = self.start(), self.hub.bytes_sent
        fetching = asyncio.ensure_future(self.hub.sends(before + more))
        ending = asyncio.ensure_future(asyncio.to_thread(lambda: list(victim.lines())))
        await asyncio.wait([fetching, ending], return_when=asyncio.FIRST_COMPLETED, timeout=60)
        victim.kill()
        status = await asyncio.to_thread(victim.end)
        await ending
        fetching.cancel()
        return status == -signal.SIGKILL

    async def served(self) -> tuple[str, list[str]]:
        """The revision that is served, every byte and its folder right, and those that are kept."""
        database = Database.open(self.url)
        library = Library(self.root, SqlArtifacts(database), Events(), SystemClock(), keep_revisions=1)
        artifact = await library.get(NAME)
        older = [each.artifact.revision for each in await library.older(NAME)]
        report = await library.verify(NAME)
        path = library.path_to_load(artifact)
        await database.close()
        assert report.ok
        assert path.samefile(library.blobs.path_of(artifact.files[0].digest))
        return artifact.revision, older


def weights(chance: random.Random) -> dict[str, bytes | Path]:
    """A revision that is unlike any other."""
    return {"tiny-Q4_K_M.gguf": a_gguf(chance.randbytes(SIZE))}


async def test_an_update_killed_at_random_points(
    tmp_path: Path, times: int, start_victim: Callable[..., Victim]
) -> None:
    """After every kill the old revision is served, whole; the next start goes on, and the old one is kept."""
    chance, killed = random.Random(SEED), 0
    async with Hub() as hub:
        scene = Scene(hub, f"sqlite:///{tmp_path}/roundhouse.sqlite", tmp_path / "library", start_victim)
        old = hub.add("acme/tiny", weights(chance))
        assert "over done None" in await scene.to_the_end()
        new = hub.add("acme/tiny", weights(chance))
        hub.bytes_per_s = 60e6
        for _ in range(times):
            killed += await scene.kill_after(chance.randrange(1, SIZE // times))
            assert (old, []) == await scene.served()
        said = await scene.to_the_end()
        assert (f"serves {old}", f"serves {new}") == (said[0], said[-1])
        assert (new, [old]) == await scene.served()
    print(f"updates killed: {killed} of {times}")
    assert killed == times


async def test_a_revision_that_arrives_wrong_leaves_the_old_one(
    tmp_path: Path, start_victim: Callable[..., Victim]
) -> None:
    """The hub sends other bytes than it promised; they are found out and gone."""
    chance = random.Random(SEED)
    async with Hub() as hub:
        scene = Scene(hub, f"sqlite:///{tmp_path}/roundhouse.sqlite", tmp_path / "library", start_victim)
        old = hub.add("acme/tiny", weights(chance))
        await scene.to_the_end()
        hub.add("acme/tiny", weights(chance))
        fault = hub.plant(FaultKind.WRONG_BYTES, times=100)
        assert "over failed E_VERIFY" in await scene.to_the_end()
        assert (old, []) == await scene.served()
    print(f"wrong answers: {fault.fired}")
    assert fault.fired
    assert 1 == len(list((scene.root / "blobs").iterdir()))
