"""An import of a bundle survives kill -9 at any moment: the library is as before, or as it should be after."""

import hashlib
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, FileName, Plan
from roundhouse.core.clock import SystemClock
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.library.exchange import Exchange
from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.database import Database
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.memory import MemoryArtifacts
from roundhouse.testing.victim import Victim

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VICTIM = Path(__file__).with_name("import_victim.py")
NAMES = ("acme/one", "acme/two")
SIZE = 4 << 20
SEED = 20_261


async def fill(library: Library, seed: int) -> None:
    """Put two models into a library."""
    chance = random.Random(seed)
    for name in NAMES:
        data = a_gguf(chance.randbytes(SIZE))
        digest = Digest(hashlib.sha256(data).hexdigest())
        path = library.blobs.path_of(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        file = ArtifactFile(FileName("model.gguf"), len(data), digest)
        await library.add_from_transfer(Plan(f"hf:{name}", "hf", name, str(seed), ()), [file])


class Houses:
    """A library with old models, and a bundle with new ones of the same names."""

    def __init__(self, folder: Path) -> None:
        self.url, self.root, self.bundle = f"sqlite:///{folder}/r.sqlite", folder / "here", folder / "models.tar"
        self._folder = folder

    async def furnish(self) -> None:
        """Make both."""
        away = Library(self._folder / "away", MemoryArtifacts(), Events(), SystemClock())
        await fill(away, 2)
        packed = await Exchange(away).pack(NAMES)
        self.bundle.write_bytes(b"".join([chunk async for chunk in packed.chunks]))
        database = Database.open(self.url)
        await fill(Library(self.root, SqlArtifacts(database), Events(), SystemClock()), 1)
        await database.close()

    async def revisions(self) -> set[str]:
        """The revisions of all models, whose every byte is right."""
        database = Database.open(self.url)
        library = Library(self.root, SqlArtifacts(database), Events(), SystemClock())
        models = await library.list()
        assert list(NAMES) == [model.model for model in models]
        assert all([(await library.verify(model.model)).ok for model in models])
        await database.close()
        return {model.revision for model in models}

    async def blobs(self) -> set[str]:
        """The names of blobs, and of those that the registry speaks of."""
        database = Database.open(self.url)
        models: list[Artifact] = list(await SqlArtifacts(database).list())
        await database.close()
        needed = {f"sha256-{file.digest}" for model in models for file in model.files}
        assert needed <= {path.name for path in self.root.glob("blobs/*")}
        return {path.name for path in self.root.glob("blobs/*")} - needed


def kill_at(victim: Victim, line: str) -> bool:
    """Kill it when it says *line*; whether that was before its end."""
    said = []
    for each in victim.lines():
        said.append(each)
        if each == line:
            victim.kill()
    return victim.end() == -signal.SIGKILL and "over" not in said


async def test_an_import_killed_anywhere(tmp_path: Path, times: int, start_victim: Callable[..., Victim]) -> None:
    """No model is half there, none is of another import than the other, and the next try succeeds."""
    houses, chance = Houses(tmp_path), random.Random(SEED)
    await houses.furnish()
    pieces = houses.bundle.stat().st_size // (1 << 18)
    fired = 0
    for number in range(times):
        line = "all" if number == 0 else f"piece {chance.randrange(pieces)}"
        fired += kill_at(start_victim(VICTIM, houses.url, str(houses.root), str(houses.bundle)), line)
        assert await houses.revisions() in ({"1"}, {"2"})
    assert fired >= times - 1  # the one at the end may come too late
    assert "over" in list(start_victim(VICTIM, houses.url, str(houses.root), str(houses.bundle)).lines())
    assert ({"2"}, set()) == (await houses.revisions(), await houses.blobs())
    assert not (houses.root / "imports").exists() or [] == list((houses.root / "imports").iterdir())
    print(f"killed {fired} of {times} imports")
