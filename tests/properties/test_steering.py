"""Pause, resume, cancel, fail, retry and restart in any order: a transfer is what the last accepted word made it."""

import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from roundhouse.core.artifacts import PlannedFile, TransferState
from roundhouse.core.errors import ConflictError, NotFoundError
from roundhouse.core.events import Events
from roundhouse.core.ports import ByteStream
from roundhouse.library import Library
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.jobs import MemoryJobs
from roundhouse.testing.memory import MemoryArtifacts, MemoryTransfers
from roundhouse.testing.source import Connection, ScriptedSource
from roundhouse.transfers import FetchOptions
from roundhouse.upkeep import Pulls, PullSettings

FULL = os.environ.get("ROUNDHOUSE_FAULTS") == "full"  # noqa: TID251 - steers the tests
#: Steps of one run, and runs.
STEPS, RUNS = (500, 20) if FULL else (50, 10)
#: What a word makes of a transfer that is not over.
WISHES = {"pause": "paused", "resume": "moving", "cancel": "cancelled"}
STEPS_DONE: Counter[str] = Counter()


class MoodySource(ScriptedSource):
    """Goes silent after a few bytes, or refuses, or serves, as it is told."""

    def __init__(self) -> None:
        super().__init__(a_gguf(bytes(20_000)))
        self.scheme = "hf"
        #: Few enough that all connections of a run together do not bring the file.
        self.mood = Connection(stall_after=3)

    @asynccontextmanager
    async def open(self, file: PlannedFile, offset: int, length: int | None = None) -> AsyncIterator[ByteStream]:
        """In its mood of now."""
        self._script[:] = [self.mood]
        async with super().open(file, offset, length) as stream:
            yield stream


class Steering(RuleBasedStateMachine):
    """The real pulls of one moody source, and beside them the little that they should be."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._runner = asyncio.Runner()
        self.source = MoodySource()
        self._library = Library(Path(self._folder.name), MemoryArtifacts(), Events(), FakeClock())
        self._transfers = MemoryTransfers()
        #: What a durable engine of jobs would run again.
        self._pending: dict[str, str] = {}
        self.transfer_id, self.expected = "", "none"
        self._run(self._open())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._runner.run(work)

    async def _open(self) -> None:
        self.jobs = MemoryJobs(self._perform)
        chosen = PullSettings(min_free=0, max_concurrent=1, fetch=FetchOptions(chunk_bytes=4096, block_bytes=1024))
        sources = {"hf": self.source}
        self.pulls = Pulls(sources, self._library, self._transfers, FakeClock(), self._start, chosen)

    async def _start(self, job_id: str, argument: str) -> None:
        self._pending[job_id] = argument
        await self.jobs.start(job_id, argument)

    async def _perform(self, job_id: str, argument: str) -> None:
        await self.pulls.run(job_id, argument)
        del self._pending[job_id]

    def under_way(self) -> bool:
        """Whether the transfer can still come to an end."""
        return self.expected in {"moving", "paused"}

    @rule()
    def pull(self) -> None:
        """Begin, join or retry."""
        self._run(self._pull())

    async def _pull(self) -> None:
        joins = self.under_way()
        STEPS_DONE["join" if joins else "pull" if self.expected == "none" else "retry"] += 1
        started = await self.pulls.start("hf:tiny")
        assert joins == (started.id == self.transfer_id)
        self.transfer_id, self.expected = started.id, "moving"

    @precondition(lambda self: self.transfer_id)
    @rule()
    def pause(self) -> None:
        """Let it wait."""
        self._run(self._steer("pause"))

    @precondition(lambda self: self.transfer_id)
    @rule()
    def resume(self) -> None:
        """Let it go on."""
        self._run(self._steer("resume"))

    @precondition(lambda self: self.transfer_id)
    @rule()
    def cancel(self) -> None:
        """End it."""
        self._run(self._steer("cancel"))

    async def _steer(self, word: str) -> None:
        STEPS_DONE[word] += 1
        is_too_late = not self.under_way() and (self.expected, word) != ("cancelled", "cancel")
        try:
            await getattr(self.pulls, word)(self.transfer_id)
        except ConflictError:
            assert is_too_late
            return
        assert not is_too_late
        self.expected = WISHES[word]

    @rule()
    def restart(self) -> None:
        """End the process and start another one, which runs again what was not over."""
        STEPS_DONE["restart"] += 1
        self._run(self._restart())

    async def _restart(self) -> None:
        await self.jobs.close()
        await self._open()
        for job_id, argument in list(self._pending.items()):
            await self.jobs.start(job_id, argument)
        await self.pulls.recover()

    @rule()
    def breathe(self) -> None:
        """Let whoever is ready run."""
        STEPS_DONE["breathe"] += 1
        self._run(_breathe())

    @precondition(under_way)
    @rule()
    def fail(self) -> None:
        """The source refuses, once it is asked again."""
        self._run(self._end(Connection(error=NotFoundError("gone")), "failed"))

    @precondition(under_way)
    @rule()
    def finish(self) -> None:
        """The source sends what is missing; the model is here, and is removed to make room for another try."""
        self._run(self._finish())

    async def _finish(self) -> None:
        await self._end(Connection(), "done")
        assert ["tiny:Q4_K_M"] == [artifact.model for artifact in await self._library.list()]
        await self._library.remove("tiny:Q4_K_M")

    async def _end(self, mood: Connection, expected: str) -> None:
        STEPS_DONE[expected] += 1
        usual, self.source.mood = self.source.mood, mood
        await self.pulls.pause(self.transfer_id)
        await self.pulls.resume(self.transfer_id)
        await self.jobs.wait(self.transfer_id)
        self.source.mood, self.expected = usual, expected

    @invariant()
    def shown_and_durable_are_as_expected(self) -> None:
        """After every step, and no other transfer is under way."""
        if self.transfer_id:
            self._run(self._check())

    async def _check(self) -> None:
        shown = (await self.pulls.progress(self.transfer_id)).transfer
        row = await self._transfers.get(self.transfer_id)
        for state in (shown.state, row.state):
            moving = state in {TransferState.QUEUED, TransferState.RESOLVING, TransferState.DOWNLOADING}
            assert self.expected == ("moving" if moving else state.value)
        others = [each for each in await self._transfers.list(limit=1000) if each.id != self.transfer_id]
        assert all(each.state.over for each in others)

    def teardown(self) -> None:
        """Let it come to its end: a model, or nothing at all."""
        self._run(self._conclude())
        assert [] == self.leftovers()
        self._runner.close()
        self._folder.cleanup()

    async def _conclude(self) -> None:
        for job_id in [job_id for job_id in self._pending if job_id != self.transfer_id]:
            await self.jobs.wait(job_id)
        if self.expected in {"failed", "none"}:
            await self._pull()
        if self.under_way():
            await self._finish()
        for job_id in list(self._pending):
            await self.jobs.wait(job_id)
        await self.jobs.close()

    def leftovers(self) -> list[Path]:
        """What a transfer that is over and a model that is gone should have tidied up."""
        root = Path(self._folder.name)
        return [*root.glob("partials/*"), *root.glob("plans/*"), *root.glob("blobs/*")]


async def _breathe() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_last_accepted_word_counts() -> None:
    """After each step the state is the model's; at the end the bytes are all there, or none of them."""
    STEPS_DONE.clear()
    chosen = settings(max_examples=RUNS, stateful_step_count=STEPS, deadline=None, derandomize=not FULL)
    run_state_machine_as_test(Steering, settings=chosen)
    assert {"pause", "resume", "cancel", "retry", "restart", "failed", "done"} <= set(STEPS_DONE)
    print(f"D9: {STEPS_DONE.total()} steps in {RUNS} runs of {STEPS}, no divergence: {dict(STEPS_DONE)}")
