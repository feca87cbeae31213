"""Durable jobs that are not durable: the `Jobs` port in memory, for tests. Knows nothing about what a job does."""

from __future__ import annotations

import asyncio

from roundhouse.core.errors import NotFoundError
from roundhouse.core.ports import JobBody


class MemoryJobs:
    """Runs each job once, as a task of this process."""

    def __init__(self, body: JobBody) -> None:
        self._body = body
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, job_id: str, argument: str) -> None:
        """Start the job; a second start with the same id joins the first."""
        if job_id not in self._tasks:
            self._tasks[job_id] = asyncio.ensure_future(self._body(job_id, argument))

    async def wait(self, job_id: str) -> None:
        """Until the job is over. Raises NotFoundError."""
        if job_id not in self._tasks:
            message = f"no job {job_id}"
            raise NotFoundError(message)
        await asyncio.wait([self._tasks[job_id]])

    async def close(self) -> None:
        """Stop what still runs, as the end of the process would."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
