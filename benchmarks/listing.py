"""How long the list of models takes with 10,000 of them in the library: at the desk, at the API, and from SQL.

    python benchmarks/listing.py

Prints a table and writes it to ``benchmarks/results/listing.md``. One process, no server: the ASGI app is called.
"""

from __future__ import annotations

import asyncio
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import httpx2
import sqlalchemy as sa

from roundhouse.access.permissions import Role
from roundhouse.access.principal import Principal
from roundhouse.api import create_api
from roundhouse.app import Roundhouse, open_roundhouse
from roundhouse.core.artifacts import Artifact
from roundhouse.settings import load
from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.tables import artifact_files, artifacts
from roundhouse.testing.builders import an_artifact

RESULTS = Path(__file__).parent / "results" / "listing.md"
MODELS, ROUNDS, BUDGET_MS = 10_000, 15, 50.0


def catalogue() -> list[Artifact]:
    """So many models of one file each, whose bytes are the same: listing does not read them."""
    plain = an_artifact()
    return [
        replace(plain, model=f"owner-{number % 100}/model-{number}:Q4_K_M", created_at=plain.created_at)
        for number in range(MODELS)
    ]


async def fill(house: Roundhouse) -> None:
    """Write all of them at once, and let the embedded runtime offer them."""
    listed = catalogue()
    names = [column.name for column in artifacts.columns]
    rows = [{name: getattr(each, name) for name in names} for each in listed]
    files = [
        {"model": each.model, "position": 0, "name": file.name, "size": file.size, "digest": file.digest}
        for each in listed
        for file in each.files
    ]

    def write(connection: sa.Connection) -> None:
        connection.execute(artifacts.insert(), rows)
        connection.execute(artifact_files.insert(), files)

    await house.rooms.database.write(write)
    blob = house.rooms.library.blobs.path_of(listed[0].files[0].digest)
    blob.write_bytes(bytes(listed[0].files[0].size))
    # The list that the house has remembered is that of the one model it was born with.
    await house.rooms.library.remove("roundhouse/noise")
    async with asyncio.timeout(60):
        while len(house.rooms.fleet.deployments()) < MODELS:  # noqa: ASYNC110 - the fleet tells nobody
            await asyncio.sleep(0.1)


async def median_ms(action: Callable[[], Awaitable[object]]) -> tuple[float, float, float]:
    """The first time, the middle one of those after it, and how much of that was our own work."""
    times, work = [], []
    for _ in range(ROUNDS):
        start, before = time.perf_counter(), time.process_time()
        await action()
        times.append((time.perf_counter() - start) * 1000)
        work.append((time.process_time() - before) * 1000)
    return times[0], statistics.median(times[1:]), statistics.median(work[1:])


async def measure() -> list[tuple[str, float, float, float]]:
    """Each way of asking, with its first and its usual time, and the work in it."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "run").mkdir()
        flags = {"discovery.enabled": False, "downloads.offline": True, "log.level": "error"}
        settings = load(home=home, flags=flags, environment={})
        async with open_roundhouse(settings, url="http://127.0.0.1:8484") as house:
            await fill(house)
            store = house.rooms.database
            app = create_api(house.management, lambda _scope: Principal("admin", Role.ADMIN))

            async def from_sql() -> object:
                return await SqlArtifacts(store).list()

            async def while_used() -> object:
                house.rooms.marking.used("owner-1/model-1:Q4_K_M", house.rooms.clock.now())
                return await house.management.models()

            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://house") as client:

                async def at_the_api() -> object:
                    answer = await client.get("/api/v1/models")
                    assert len(answer.content) > MODELS  # noqa: S101 - a benchmark of nothing would be fast
                    return answer

                return [
                    ("the registry, read from SQLite", *await median_ms(from_sql)),
                    ("the desk", *await median_ms(house.management.models)),
                    ("the desk, with a request between two lists", *await median_ms(while_used)),
                    ("`GET /api/v1/models`, whole answer", *await median_ms(at_the_api)),
                ]


def main() -> None:
    """Measure and publish."""
    rows = asyncio.run(measure())
    lines = [
        "# Listing 10,000 models",
        "",
        f"SQLite, one process, Python {platform.python_version()}; first time and median of {ROUNDS - 1}, in ms.",
        f"Each model has a deployment. Wanted at the API: {BUDGET_MS:.0f} ms.",
        "",
        "| asked | first | then | of that CPU |",
        "|---|---|---|---|",
        *(f"| {words} | {first:.1f} | {then:.1f} | {work:.1f} |" for words, first, then, work in rows),
        "",
    ]
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
