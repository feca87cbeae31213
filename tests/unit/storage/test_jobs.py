import asyncio
import logging
from pathlib import Path

import pytest

from roundhouse.core.errors import AbortedError, ConflictError, NetworkError
from roundhouse.storage.jobs import DbosJobs

pytestmark = pytest.mark.slow


async def nothing(_job_id: str, _argument: str) -> None:
    """Do nothing."""


def jobs_in(folder: Path) -> DbosJobs:
    """Jobs that do nothing, in a file of *folder*."""
    return DbosJobs(f"sqlite:///{folder / 'jobs.sqlite'}", nothing, executor_id="node-1")


async def test_there_is_one_per_process(tmp_path: Path) -> None:
    """A second one is refused instead of silently sharing the first one's database."""
    first = jobs_in(tmp_path)
    await first.launch()
    with pytest.raises(ConflictError):
        await jobs_in(tmp_path).launch()
    await first.close()


async def test_a_launch_that_fails_leaves_room_for_the_next(tmp_path: Path) -> None:
    """The error says that the database cannot be opened; nothing is left over."""
    with pytest.raises(NetworkError, match="database of jobs"):
        await jobs_in(tmp_path / "nowhere").launch()
    jobs = jobs_in(tmp_path)
    await jobs.launch()
    await jobs.close()


async def test_closing_twice_is_no_error(tmp_path: Path) -> None:
    """Nor is closing what was never launched."""
    jobs = jobs_in(tmp_path)
    await jobs.close()
    await jobs.launch()
    await jobs.close()
    await jobs.close()


async def test_refuses_before_the_launch(tmp_path: Path) -> None:
    """What would never run is refused."""
    with pytest.raises(AbortedError):
        await jobs_in(tmp_path).start("j1", "")


async def test_the_loop_keeps_its_threads(tmp_path: Path) -> None:
    """DBOS does not put its own executor under the loop that launched it."""
    jobs = jobs_in(tmp_path)
    await jobs.launch()
    await jobs.start("j1", "")
    await jobs.wait("j1")
    await jobs.close()
    assert "alive" == await asyncio.to_thread(lambda: "alive")


async def test_writes_to_our_log_and_not_to_the_console(tmp_path: Path) -> None:
    """Its records go to the root logger, and only warnings."""
    jobs = jobs_in(tmp_path)
    await jobs.launch()
    logger = logging.getLogger("dbos")
    assert (True, logging.WARNING) == (logger.propagate, logger.level)
    assert not any(isinstance(handler, logging.StreamHandler) for handler in logger.handlers)
    await jobs.close()


async def test_is_as_quiet_as_we_were_told_to_be(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In a command only errors are heard; and never that a job which goes on was in another queue."""
    logger = logging.getLogger("dbos")
    logger.setLevel(logging.ERROR)
    jobs = jobs_in(tmp_path)
    await jobs.launch()
    await jobs.close()
    assert logging.ERROR == logger.level
    logger.setLevel(logging.WARNING)
    logger.warning("Workflow already exists in queue: a, but the provided queue name is: b. The queue is not updated.")
    logger.warning("trouble")
    assert ["trouble"] == [record.message for record in caplog.records if record.name == "dbos"]
