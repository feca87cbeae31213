"""Repairs one model with real storage, says how it ended, and may be killed anywhere before."""

import asyncio
import sys
from pathlib import Path

from roundhouse.core.clock import SystemClock
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.sources.hub import HubSource
from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.database import Database
from roundhouse.storage.transfers import SqlTransfers
from roundhouse.testing.jobs import MemoryJobs
from roundhouse.transfers import FetchOptions
from roundhouse.upkeep import Pulls, PullSettings, Repairs

CHUNK = 1 << 18


async def main(url: str, root: str, endpoint: str, ref: str) -> None:
    """Pull the model if it is not here, else repair it."""
    database = Database.open(url)
    library = Library(Path(root), SqlArtifacts(database), Events(), SystemClock(), chunk_bytes=CHUNK)

    async def perform(job_id: str, argument: str) -> None:
        await pulls.run(job_id, argument)

    jobs = MemoryJobs(perform)
    settings = PullSettings(min_free=0, fetch=FetchOptions(chunk_bytes=CHUNK, block_bytes=1 << 16))
    sources = {"hf": HubSource(endpoint)}
    pulls = Pulls(sources, library, SqlTransfers(database), SystemClock(), jobs.start, settings)
    if not await library.list():
        await jobs.wait((await pulls.start(ref, "tiny")).id)
        print("here", (await library.verify("tiny")).ok, flush=True)
    else:
        print("started", flush=True)
        done = await Repairs(library, pulls.supply(), SystemClock()).repair("tiny")
        print("over", done.files[0].outcome, done.bytes_fetched, flush=True)
    await jobs.close()
    await database.close()


asyncio.run(main(*sys.argv[1:]))
