"""Runs one durable job of five steps, says each step, and hangs at the one it is told to."""

import asyncio
import sys
from pathlib import Path

from roundhouse.storage.engines import jobs_url
from roundhouse.storage.jobs import DbosJobs


def done(journal: Path) -> int:
    """How many steps an earlier run has done."""
    return int(journal.read_text()) if journal.exists() else 0


def note(journal: Path, steps: int) -> None:
    """Note how many steps are done."""
    journal.write_text(str(steps))


async def main(url: str, journal: str, hang_at: str) -> None:
    """Launch, start the job unless it is known, and wait for its end."""

    async def body(job_id: str, argument: str) -> None:
        for step in range(done(Path(argument)), 5):
            print("step", job_id, step, flush=True)
            if step == int(hang_at):
                await asyncio.Event().wait()
            note(Path(argument), step + 1)

    jobs = DbosJobs(jobs_url(url), body, executor_id="node-1")
    await jobs.launch()
    if hang_at == "0":
        await jobs.start("j1", journal)
    await jobs.wait("j1")
    print("over", flush=True)
    await jobs.close()


asyncio.run(main(*sys.argv[1:]))
