"""Pulls one reference with real storage and real jobs, says how it ended, and may be killed anywhere before."""

import asyncio
import sys
from pathlib import Path

from roundhouse.core.clock import SystemClock
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.sources.hub import HubSource
from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.database import Database
from roundhouse.storage.engines import jobs_url
from roundhouse.storage.jobs import DbosJobs
from roundhouse.storage.transfers import SqlTransfers
from roundhouse.transfers import FetchOptions
from roundhouse.upkeep import Pulls, PullSettings


async def main(url: str, root: str, endpoint: str, ref: str) -> None:
    """Go on with the pull that an earlier run began, or begin it, and wait for its end."""
    database = Database.open(url)
    library = Library(Path(root), SqlArtifacts(database), Events(), SystemClock())

    async def perform(job_id: str, argument: str) -> None:
        await pulls.run(job_id, argument)

    jobs = DbosJobs(jobs_url(url), perform, executor_id="node-1")
    settings = PullSettings(min_free=0, fetch=FetchOptions(chunk_bytes=1 << 20, block_bytes=1 << 18))
    pulls = Pulls({"hf": HubSource(endpoint)}, library, SqlTransfers(database), SystemClock(), jobs.start, settings)
    await jobs.launch()
    await pulls.recover()
    transfer = (await pulls.list())[0].transfer if await pulls.list() else await pulls.start(ref)
    print("started", flush=True)
    await jobs.wait(transfer.id)
    over = (await pulls.progress(transfer.id)).transfer
    print("over", over.state, (over.error or {}).get("code"), flush=True)
    await jobs.close()
    await database.close()


asyncio.run(main(*sys.argv[1:]))
