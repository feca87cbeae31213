"""A pull survives kill -9 at any moment, and fetches next to nothing twice."""

import asyncio
import functools
import hashlib
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.database import Database
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.hub import Hub
from roundhouse.testing.victim import Victim
from roundhouse.transfers import journal
from roundhouse.transfers.spans import Span

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VICTIM = Path(__file__).with_name("pull_victim.py")
SIZE = 64 << 20
SEED = 20_260
#: What `times` is outside of `make faults`, where there are ten pulls of 20 kills each.
SAMPLE = 3


def journaled(root: Path) -> list[Span]:
    """What the journal of the one partial file vouches for."""
    return [(chunk.offset, chunk.end) for path in root.glob("partials/*.journal") for chunk in journal.read(path)]


def overlap(one: Span, other: Span) -> int:
    """Bytes that are in both."""
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


class Killing:
    """One pull, begun and killed again and again."""

    def __init__(self, hub: Hub, root: Path, start: Callable[[], Victim]) -> None:
        self._hub, self._root, self._start = hub, root, start
        #: What the journal held at the last kill.
        self._held: list[Span] = []
        #: Bytes that journals held at kills, and those of them that were asked for again.
        self.safe = self.again = 0

    async def once(self, more: int) -> None:
        """Let it fetch about *more* bytes, or end, and kill it."""
        victim = self._start()
        before, runs = self._hub.bytes_sent, len(self._hub.downloads())
        fetching = asyncio.ensure_future(self._hub.sends(before + more))
        ending = asyncio.ensure_future(asyncio.to_thread(lambda: list(victim.lines())))
        await asyncio.wait([fetching, ending], return_when=asyncio.FIRST_COMPLETED, timeout=60)
        victim.kill()
        assert await asyncio.to_thread(victim.end) in {-signal.SIGKILL, 0}
        await ending
        fetching.cancel()
        self._note(runs)

    async def to_the_end(self) -> list[str]:
        """Let it be."""
        runs = len(self._hub.downloads())
        said = await asyncio.to_thread(lambda: list(self._start().lines()))
        self._note(runs)
        return said

    def _note(self, runs: int) -> None:
        later = [seen.span for seen in self._hub.downloads()[runs:]]
        if later:
            self.safe += sum(end - begin for begin, end in self._held)
            self.again += sum(overlap(asked, held) for asked in later for held in self._held)
        self._held = journaled(self._root)


async def test_a_pull_killed_at_random_points_ends_right(
    tmp_path: Path, times: int, start_victim: Callable[..., Victim]
) -> None:
    """D1: the digest is right, and what was journaled is not fetched again."""
    pulls, chance = (10 if times > SAMPLE else 1), random.Random(SEED)
    data, safe, again = a_gguf(chance.randbytes(SIZE)), 0, 0
    async with Hub() as hub:
        hub.add("acme/tiny", {"tiny-Q4_K_M.gguf": data})
        hub.bytes_per_s = 80e6
        for number in range(pulls):
            (home := tmp_path / str(number)).mkdir()
            url, root = f"sqlite:///{home}/roundhouse.sqlite", home / "library"
            victim = functools.partial(start_victim, VICTIM, url, str(root), hub.endpoint, "hf:acme/tiny")
            killing = Killing(hub, root, victim)
            for _ in range(times):
                await killing.once(chance.randrange(1, SIZE // times * 2))
            assert "over done None" in await killing.to_the_end()
            await check_the_library(url, root, data)
            safe, again = safe + killing.safe, again + killing.again
            await asyncio.to_thread(shutil.rmtree, home)
    print(f"D1: {pulls * times} kills in {pulls} pulls, {safe:,} bytes journaled, {again:,} of them asked for again")
    assert safe > 0
    assert again <= 0.01 * safe


def leftovers(root: Path) -> list[Path]:
    """What a finished pull should have tidied up."""
    return [*root.glob("partials/*"), *root.glob("plans/*")]


async def check_the_library(url: str, root: Path, data: bytes) -> None:
    """The one model is registered, its bytes are right, and nothing else is left."""
    database = Database.open(url)
    (artifact,) = await SqlArtifacts(database).list()
    await database.close()
    digest = hashlib.sha256(data).hexdigest()
    assert [digest] == [file.digest for file in artifact.files]
    assert digest == hashlib.sha256((root / "blobs" / f"sha256-{digest}").read_bytes()).hexdigest()
    assert [] == leftovers(root)
