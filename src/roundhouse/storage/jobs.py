"""Durable jobs, on DBOS. Knows nothing about what a job does.

DBOS lives in a thread with an event loop of its own: it replaces the default executor of every loop it is called on,
and shuts that executor down with itself. The bodies of jobs run on the loop that launched us.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import TypeVar

import structlog
from dbos import DBOS, DBOSConfig, SetWorkflowID, WorkflowSerializationFormat
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from roundhouse.core.errors import (
    AbortedError,
    ConflictError,
    InternalError,
    NetworkError,
    NotFoundError,
    RoundhouseError,
)
from roundhouse.core.ports import JobBody

#: A job is two strings and a body that reads where it stands from the database, so any version of Roundhouse can go on
#: with the jobs of any other. DBOS would hash our code instead, and leave them lying after an upgrade.
APPLICATION_VERSION = "1"
#: Seconds between two looks at a job that somebody waits for.
LOOK_S = 0.1
#: Seconds that jobs told to stop may take.
STOP_S = 3.0
_OVER = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})

#: DBOS is one per process, whatever we do; two of ours would silently share it.
_only = threading.Lock()
_log = structlog.get_logger("roundhouse.jobs")

T = TypeVar("T")


def _expected(record: logging.LogRecord) -> bool:
    """Let all pass but one: DBOS wonders that a job to go on with was moved to its queue, and did that itself."""
    return "The queue is not updated" not in record.getMessage()


_Workflow = Callable[[str, str], Coroutine[None, None, None]]


class _Interrupted(BaseException):
    """Leaves a workflow pending: DBOS records an Exception as its outcome, this it does not."""


class DbosJobs:
    """The port `Jobs`. What a kill or `close` interrupted goes on at the next `launch` with the same *executor_id*."""

    def __init__(self, system_database_url: str, body: JobBody, *, executor_id: str) -> None:
        self._config = DBOSConfig(
            name="roundhouse",
            system_database_url=system_database_url,
            application_version=APPLICATION_VERSION,
            # Jobs are recovered by the node that began them: the partial files lie on its disk.
            executor_id=executor_id,
            log_level="WARNING",
            # A thread of DBOS sleeps this long between looks at nothing, and `close` waits for it.
            notification_listener_polling_interval_sec=LOOK_S,
        )
        self._body = body
        self._running: set[asyncio.Task[None]] = set()
        self._closing = True

    async def launch(self) -> None:
        """Start, and go on with what was interrupted. Raises NetworkError; ConflictError for a second in a process."""
        if not _only.acquire(blocking=False):
            message = "this process already runs a Roundhouse, and durable jobs are one per process"
            raise ConflictError(message)
        self._body_loop = asyncio.get_running_loop()
        ready: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._live, args=(ready,), name="jobs", daemon=True)
        self._closing = False
        self._thread.start()
        try:
            self._loop = await asyncio.wrap_future(ready)
        except RoundhouseError:
            self._closing = True
            await asyncio.to_thread(self._thread.join)
            raise

    async def start(self, job_id: str, argument: str) -> None:
        """Start the job once; a second start with the same id joins the first."""
        await self._ask(self._start(job_id, argument))

    async def wait(self, job_id: str) -> None:
        """Until the job is over. Raises NotFoundError, and AbortedError when we close before that."""
        while (status := await self._ask(_status(job_id))) not in _OVER:
            if status is None:
                message = f"no job with the id {job_id!r}"
                raise NotFoundError(message)
            await asyncio.sleep(LOOK_S)

    async def close(self) -> None:
        """Stop; jobs that have not ended are cancelled here, and go on at the next launch."""
        if self._closing:
            return
        self._closing = True
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=STOP_S)
        self._loop.call_soon_threadsafe(self._stop.set)
        await asyncio.to_thread(self._thread.join)

    async def _ask(self, question: Coroutine[None, None, T]) -> T:
        """Have *question* answered on DBOS's loop."""
        if self._closing:
            question.close()
            message = "jobs are not running: not launched, or closed"
            raise AbortedError(message)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(question, self._loop))

    # What follows runs in DBOS's thread.

    def _live(self, ready: Future[asyncio.AbstractEventLoop]) -> None:
        try:
            asyncio.run(self._serve(ready))
        finally:
            # The registry goes too: it knows our workflow, which knows us.
            DBOS.destroy(destroy_registry=True)
            _only.release()
            if not ready.done():  # or `launch` would wait for ever
                message = "the engine of jobs ended before it was ready"
                ready.set_exception(InternalError(message))

    async def _serve(self, ready: Future[asyncio.AbstractEventLoop]) -> None:
        self._stop = asyncio.Event()
        try:
            self._open()
        except (dbos_error.DBOSException, SQLAlchemyError, OSError) as error:
            ready.set_exception(_unavailable(error))
            return
        ready.set_result(asyncio.get_running_loop())
        await self._stop.wait()
        workflows = asyncio.all_tasks() - {asyncio.current_task()}
        if workflows:
            await asyncio.wait(workflows, timeout=STOP_S)

    def _open(self) -> None:
        # DBOS writes to the console unless somebody handles its log; ours comes from the root.
        logger = logging.getLogger("dbos")
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
        logger.addFilter(_expected)
        level = logger.level
        DBOS(config=self._config)
        # DBOS sets its own, and would talk into the answers of commands.
        logger.setLevel(max(level, logging.WARNING))
        self._workflow = self._register()
        DBOS.launch()

    def _register(self) -> _Workflow:
        # JSON, not pickle: what is read from a database must not be able to run.
        @DBOS.workflow(
            name="transfer", max_recovery_attempts=None, serialization_type=WorkflowSerializationFormat.PORTABLE
        )
        async def transfer(job_id: str, argument: str) -> None:
            await self._perform(job_id, argument)

        return transfer

    async def _start(self, job_id: str, argument: str) -> None:
        with SetWorkflowID(job_id):
            await DBOS.start_workflow_async(self._workflow, job_id, argument)

    async def _perform(self, job_id: str, argument: str) -> None:
        """Have the body run on its own loop, and wait for it."""
        if self._closing or self._body_loop.is_closed():
            raise _Interrupted
        running = asyncio.run_coroutine_threadsafe(self._run_body(job_id, argument), self._body_loop)
        try:
            await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            raise _Interrupted from None

    # And this on the loop that launched us.

    async def _run_body(self, job_id: str, argument: str) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
        if self._closing:
            raise asyncio.CancelledError
        self._running.add(task)
        try:
            await self._body(job_id, argument)
        except Exception:  # noqa: BLE001 - the boundary of a job: a body that fails is over
            _log.exception("a job failed", job=job_id)
        finally:
            self._running.discard(task)


async def _status(job_id: str) -> str | None:
    status = await DBOS.get_workflow_status_async(job_id)
    return None if status is None else str(status.status)


def _unavailable(error: Exception) -> RoundhouseError:
    reason = str(getattr(error, "orig", error)).strip()
    return NetworkError(f"the database of jobs cannot be opened: {reason}", hint="check storage.database_url")
