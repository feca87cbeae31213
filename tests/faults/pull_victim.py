"""Pulls one reference with real storage and real jobs, says how it ended, and may be killed anywhere before.

Told to ``pause``, ``resume`` or ``cancel``, it does so once bytes have come, says what it was answered, and goes on.
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


async def steer(pulls: Pulls, transfer_id: str, verb: str) -> None:
    """Say *verb* and what the answer was."""
    while verb != "resume" and not (await pulls.progress(transfer_id)).transfer.bytes_done:  # noqa: ASYNC110 - a program that nobody tells
        await asyncio.sleep(0.01)
    said = {"pause": pulls.pause, "resume": pulls.resume, "cancel": pulls.cancel}[verb]
    print("said", (await said(transfer_id)).transfer.state, flush=True)


async def main(url: str, root: str, endpoint: str, ref: str, verb: str = "") -> None:
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
    print("started", (await pulls.progress(transfer.id)).transfer.state, flush=True)
    if verb:
        await steer(pulls, transfer.id, verb)
    await jobs.wait(transfer.id)
    over = (await pulls.progress(transfer.id)).transfer
    print("over", over.state, (over.error or {}).get("code"), flush=True)
    await jobs.close()
    await database.close()


asyncio.run(main(*sys.argv[1:]))
