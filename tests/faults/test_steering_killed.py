"""What was answered to pause, resume and cancel is still so after kill -9."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.database import Database
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.hub import Hub
from roundhouse.testing.victim import Victim

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VICTIM = Path(__file__).with_name("pull_victim.py")
SIZE = 24 << 20
CHUNK = 1 << 20

Say = Callable[[str, str], list[str]]


def until(victim: Victim, word: str) -> list[str]:
    """What it says, up to the line that begins with *word*; then it is killed."""
    said: list[str] = []
    for line in victim.lines():
        said.append(line)
        if line.startswith(word):
            break
    victim.kill()
    victim.end()
    return said


@pytest.fixture
def say(tmp_path: Path, start_victim: Callable[..., Victim]) -> Callable[[Hub], Say]:
    """Run the pull with a verb until it has said a word, and kill it then."""
    url, root = f"sqlite:///{tmp_path}/roundhouse.sqlite", str(tmp_path / "library")

    def for_hub(hub: Hub) -> Say:
        return lambda verb, word: until(start_victim(VICTIM, url, root, hub.endpoint, "hf:acme/tiny", verb), word)

    return for_hub


async def models(tmp_path: Path) -> list[str]:
    """What is registered."""
    database = Database.open(f"sqlite:///{tmp_path}/roundhouse.sqlite")
    listed = [artifact.model for artifact in await SqlArtifacts(database).list()]
    await database.close()
    return listed


async def test_paused_and_resumed_are_so_after_a_kill(tmp_path: Path, times: int, say: Callable[[Hub], Say]) -> None:
    """Each start finds it as it was answered; at the end all bytes are right, and hardly any came twice."""
    async with Hub() as hub:
        hub.add("acme/tiny", {"tiny-Q4_K_M.gguf": a_gguf(random.Random(5).randbytes(SIZE))})
        hub.bytes_per_s = 10e6
        tell, kills = say(hub), min(times, 8)
        for _ in range(kills):
            assert ["said paused"] == (await asyncio.to_thread(tell, "pause", "said"))[1:]
            before = len(hub.downloads())
            assert ["started paused"] == await asyncio.to_thread(tell, "", "started")
            assert before == len(hub.downloads())
            assert ["started paused", "said queued"] == await asyncio.to_thread(tell, "resume", "said")
        assert "over done None" in await asyncio.to_thread(tell, "", "over")
        # Per kill: the chunk under way, and what was on the wire or in a buffer.
        assert hub.bytes_sent <= SIZE + 2 * kills * 4 * CHUNK
    assert ["acme/tiny:Q4_K_M"] == await models(tmp_path)


async def test_cancelled_is_so_after_a_kill(tmp_path: Path, say: Callable[[Hub], Say]) -> None:
    """The next start removes what the kill left; nothing is registered."""
    async with Hub() as hub:
        hub.add("acme/tiny", {"tiny-Q4_K_M.gguf": a_gguf(random.Random(5).randbytes(SIZE))})
        hub.bytes_per_s = 10e6
        tell = say(hub)
        assert ["said cancelled"] == (await asyncio.to_thread(tell, "cancel", "said"))[1:]
        before = len(hub.downloads())
        assert "over cancelled None" in await asyncio.to_thread(tell, "", "over")
        assert before == len(hub.downloads())
    root = tmp_path / "library"
    assert ([], []) == (await models(tmp_path), [*root.glob("partials/*"), *root.glob("plans/*")])
