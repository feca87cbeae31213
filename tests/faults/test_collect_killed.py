"""Cleaning up may be killed at any moment: each model is there as a whole or gone, and the next time takes the rest."""

import random
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from roundhouse.core.clock import SystemClock
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.library.marking import Marking
from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.database import Database
from roundhouse.storage.marks import SqlMarks
from roundhouse.storage.transfers import SqlTransfers
from roundhouse.testing.victim import Victim
from roundhouse.upkeep.collecting import Collector, CollectorSettings, Wish

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VICTIM = Path(__file__).with_name("collect_victim.py")
MODELS = 40


def kill_within(victim: Victim, root: Path, left: int) -> None:
    """Kill it once only so many folders are left."""
    lines = victim.lines()
    assert next(iter(lines)) == "collecting"
    while len(list(root.glob("models/*"))) > left:
        pass
    victim.kill()
    assert victim.end() == -signal.SIGKILL


async def look(url: str, root: Path) -> tuple[int, int, int]:
    """How many models are left, all of them whole; how many leftovers a second cleaning takes, and finds after it."""
    database, clock = Database.open(url), SystemClock()
    library, marking = Library(root, SqlArtifacts(database), Events(), clock), Marking(SqlMarks(database))
    await marking.start()
    models = await library.list()
    for artifact in models:
        assert (await library.verify(artifact.model)).ok
        assert library.path_to_load(artifact).is_file()
    settings = CollectorSettings(grace=timedelta(0))
    collector = Collector(library, SqlTransfers(database), marking, clock, tuple, settings)
    swept = await collector.collect(Wish(orphans_only=True))
    again = await collector.collect(Wish(unused_for=timedelta(0)))
    assert [artifact.model for artifact in await library.list()] == ["acme/m0"]
    assert len(list((root / "blobs").iterdir())) == 2
    await marking.close()
    await database.close()
    return len(models), len(swept.leftovers), len(again.leftovers)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_old_or_new(
    kind: str, tmp_path: Path, new_url: Callable[[str], str], start_victim: Callable[..., Victim], times: int
) -> None:
    """Whatever was under way: no model without its bytes, no bytes that nobody takes."""
    rng, cut, halves = random.Random(4), 0, 0
    for number in range(times):
        url, root = new_url(kind), tmp_path / str(number)
        kill_within(start_victim(VICTIM, url, str(root), str(MODELS)), root, rng.randrange(5, MODELS))
        left, swept, again = await look(url, root)
        assert again == 0
        cut += 1 < left < MODELS
        halves += swept > 0
    assert cut > 0
    print(f"{times} kills on {kind}, {cut} while cleaning up: {halves} left something behind, none after the next time")
