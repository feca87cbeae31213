"""Updates one model with real storage and real jobs, going on with what an earlier run began; may be killed anywhere.

Without the model it pulls it first. It says which revision is served when it starts, and when it ends.
"""

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
from roundhouse.upkeep.updating import Updates


async def begin(pulls: Pulls, library: Library, ref: str) -> str | None:
    """Give the id of the transfer that runs, or of a new one; None when nothing is newer."""
    for known in await pulls.list():
        if not known.transfer.state.over:
            return known.transfer.id
    held = list(await library.list())
    if not held:
        return (await pulls.start(ref)).id
    updates = Updates(library, pulls)
    begun = await updates.begin(await updates.look(held[0].model))
    return None if begun is None else begun.id


async def main(url: str, root: str, endpoint: str, ref: str) -> None:
    """Say what is served, update, and say it again."""
    database = Database.open(url)
    library = Library(Path(root), SqlArtifacts(database), Events(), SystemClock(), keep_revisions=1)

    async def perform(job_id: str, argument: str) -> None:
        await pulls.run(job_id, argument)

    jobs = DbosJobs(jobs_url(url), perform, executor_id="node-1")
    settings = PullSettings(min_free=0, fetch=FetchOptions(chunk_bytes=1 << 20, block_bytes=1 << 18))
    pulls = Pulls({"hf": HubSource(endpoint)}, library, SqlTransfers(database), SystemClock(), jobs.start, settings)
    await library.tidy()
    await jobs.launch()
    await pulls.recover()
    print("serves", *[artifact.revision for artifact in await library.list()], flush=True)
    transfer_id = await begin(pulls, library, ref)
    if transfer_id is not None:
        await jobs.wait(transfer_id)
        over = (await pulls.progress(transfer_id)).transfer
        print("over", over.state, (over.error or {}).get("code"), flush=True)
    print("serves", *[artifact.revision for artifact in await library.list()], flush=True)
    await jobs.close()
    await database.close()


asyncio.run(main(*sys.argv[1:]))
