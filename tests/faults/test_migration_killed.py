"""A migration survives kill -9 before any of its steps, there and back."""

import asyncio
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from roundhouse.migration import Hall, Mode, Wish
from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.database import Database
from roundhouse.testing.adoption import a_hall, census, folder_times, migrations, registered
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.stores import OllamaStore
from roundhouse.testing.victim import Victim

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

VICTIM = Path(__file__).with_name("migration_victim.py")
MODES = [Mode.LINK, Mode.COPY, Mode.MOVE, Mode.REFERENCE]
#: How often in the full tier, where every step has its turn.
FULL = 20


@dataclass(frozen=True)
class Scene:
    """One person with an Ollama store, and a library that holds another model of the same name."""

    root: Path

    @property
    def url(self) -> str:
        """The database."""
        return f"sqlite:///{self.root}/roundhouse.sqlite"

    @property
    def library(self) -> Path:
        """Our files."""
        return self.root / "library"

    @property
    def home(self) -> Path:
        """Theirs."""
        return self.root / "person"

    @asynccontextmanager
    async def hall(self) -> AsyncIterator[Hall]:
        """The library, looked at from here."""
        database = Database.open(self.url)
        yield a_hall(self.library, SqlArtifacts(database))
        await database.close()

    async def build(self) -> None:
        """Two models of theirs, one of which clashes, and one of ours with a fingerprint."""
        elsewhere = OllamaStore(self.root / "elsewhere")
        elsewhere.add("tiny:latest", {"model": a_gguf(bytes(256))})
        async with self.hall() as hall:
            moving = migrations(hall, self.home, new_id=lambda: "f" * 12)
            outcome = await moving.start(str(elsewhere.root), None, Wish(Mode.COPY))
            await moving.wait()
            await moving.forget(outcome.id or "")
        shutil.rmtree(self.root / "elsewhere")
        store = OllamaStore(self.home / ".ollama")
        store.add("tiny:latest", {"model": a_gguf(bytes(64)), "license": b"MIT"})
        store.add("other:latest", {"model": a_gguf(bytes(128)), "license": b"MIT"})

    async def seen(self) -> tuple[object, ...]:
        """All that anybody could notice, but for the journals."""
        async with self.hall() as hall:
            known = await registered(hall)
        return (known, census(self.library, without=("migrations",)), census(self.home), folder_times(self.home))

    async def check_whole(self) -> None:
        """Whatever is registered is right, to the last byte."""
        async with self.hall() as hall:
            for artifact in await hall.library.list():
                for file in artifact.files:
                    report = await hall.library.verify(artifact.model, quick=True)
                    assert report.ok, (artifact.model, file.name, report)


class Killing:
    """Runs the victim, and kills it where it is told."""

    def __init__(self, start: Callable[..., Victim]) -> None:
        self._start = start
        self.fired = 0

    async def run(self, scene: Scene, verb: str, mode: Mode, kill_at: int = 0) -> Sequence[str]:
        """What it said; nothing when it was killed."""
        victim = self._start(VICTIM, scene.url, str(scene.library), str(scene.home), verb, mode.value, str(kill_at))
        said = await asyncio.to_thread(lambda: list(victim.lines()))
        status = await asyncio.to_thread(victim.end)
        assert status == (-signal.SIGKILL if kill_at else 0)
        self.fired += bool(kill_at)
        return said


def steps_of(said: Sequence[str]) -> int:
    """How many steps an undisturbed run took."""
    return next(int(line.split()[1]) for line in said if line.startswith("steps"))


def chosen(steps: int, times: int) -> Sequence[int]:
    """Every step in the full tier, else some of them, the last among them."""
    if times >= FULL:
        return range(1, steps + 1)
    return sorted({1 + number * (steps - 1) // times for number in range(times)} | {steps})


def copy(source: Path, target: Path) -> None:
    """Copy all that can be told of files, their links among it."""
    subprocess.run(["/bin/cp", "-a", str(source), str(target)], check=True)


@pytest.fixture
async def scenes(tmp_path: Path) -> Callable[[], Scene]:
    """Copies of one scene, each in the same place as the one before: nothing but the kill differs."""
    original, root = tmp_path / "original", tmp_path / "scene"
    await Scene(root).build()
    copy(root, original)

    def again() -> Scene:
        shutil.rmtree(root)
        copy(original, root)
        return Scene(root)

    return again


@pytest.mark.parametrize("mode", MODES)
async def test_killed_on_the_way_in(
    scenes: Callable[[], Scene], mode: Mode, times: int, start_victim: Callable[..., Victim]
) -> None:
    """It goes on or is taken back; nothing half is ever visible, and the way back leads to exactly where it began."""
    killing = Killing(start_victim)
    steps = steps_of(await killing.run(scenes(), "apply", mode))
    for number, step in enumerate(chosen(steps, times)):
        scene = scenes()
        before = await scene.seen()
        await killing.run(scene, "apply", mode, step)
        await scene.check_whole()
        if not list(scene.library.glob("migrations/*/plan.json")):
            await killing.run(scene, "recover", mode)
        else:
            if number % 2:
                assert "over applied 2 0" in await killing.run(scene, "recover", mode)
                await scene.check_whole()
            assert any(line.startswith("over undone") for line in await killing.run(scene, "rollback", mode))
        assert before == await scene.seen(), (mode, step)
    print(f"\n{mode}: {killing.fired} kills of {steps} steps on the way in")


@pytest.mark.parametrize("mode", MODES)
async def test_killed_on_the_way_back(
    scenes: Callable[[], Scene], mode: Mode, times: int, start_victim: Callable[..., Victim]
) -> None:
    """The next start goes on with the way back, to exactly where everything began."""
    killing = Killing(start_victim)
    scene = scenes()
    await killing.run(scene, "apply", mode)
    steps = steps_of(await killing.run(scene, "rollback", mode))
    for step in chosen(steps, times):
        scene = scenes()
        before = await scene.seen()
        await killing.run(scene, "apply", mode)
        await killing.run(scene, "rollback", mode, step)
        await scene.check_whole()
        said = await killing.run(scene, "recover", mode)
        if "over undone 0 0" not in said:  # killed before the way back began
            said = await killing.run(scene, "rollback", mode)
        assert "over undone 0 0" in said
        assert before == await scene.seen(), (mode, step)
    print(f"\n{mode}: {killing.fired} kills of {steps} steps on the way back")
