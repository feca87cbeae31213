"""Pause, resume, cancel, retry and restart in any order: the transfer is always what the last accepted word made it."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from roundhouse.core.artifacts import TransferState
from roundhouse.core.errors import ConflictError
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.jobs import MemoryJobs
from roundhouse.testing.memory import MemoryArtifacts, MemoryTransfers
from roundhouse.testing.source import Connection, ScriptedSource
from roundhouse.transfers import FetchOptions
from roundhouse.upkeep import Pulls, PullSettings

WORDS = st.lists(st.sampled_from(["pause", "resume", "cancel", "pull", "restart", "breathe"]), min_size=1, max_size=25)


class Machine:
    """The real pulls of one silent source, and beside them the little that they should be."""

    def __init__(self, root: Path) -> None:
        self.source = ScriptedSource(a_gguf(bytes(20_000)), *[Connection(stall_after=3_000)] * 100)
        self.source.scheme = "hf"
        self._library = Library(root, MemoryArtifacts(), Events(), FakeClock())
        self._transfers = MemoryTransfers()
        #: What a durable engine of jobs would run again.
        self._pending: dict[str, str] = {}
        self._open()
        self.transfer_id, self.expected = "", "none"

    def _open(self) -> None:
        self.jobs = MemoryJobs(self._perform)
        settings = PullSettings(min_free=0, max_concurrent=1, fetch=FetchOptions(chunk_bytes=4096, block_bytes=1024))
        sources = {"hf": self.source}
        self.pulls = Pulls(sources, self._library, self._transfers, FakeClock(), self._start, settings)

    async def _start(self, job_id: str, argument: str) -> None:
        await self.jobs.start(job_id, self._pending.setdefault(job_id, argument))

    async def _perform(self, job_id: str, argument: str) -> None:
        await self.pulls.run(job_id, argument)
        del self._pending[job_id]

    async def say(self, word: str) -> None:
        """One word to the real one and to the model."""
        if word == "restart":
            await self.jobs.close()
            self._open()
            for job_id, argument in self._pending.items():
                await self.jobs.start(job_id, argument)
            await self.pulls.recover()
        elif word == "breathe":
            for _ in range(20):
                await asyncio.sleep(0)
        elif word == "pull":
            joins = self.expected in {"moving", "paused"}
            started = await self.pulls.start("hf:tiny")
            assert joins == (started.id == self.transfer_id)
            self.transfer_id, self.expected = started.id, "moving"
        elif self.transfer_id:
            await self._steer(word)
        await self.check()

    async def _steer(self, word: str) -> None:
        try:
            await getattr(self.pulls, word)(self.transfer_id)
        except ConflictError:
            assert (self.expected, True) == ("cancelled", word != "cancel")
            return
        self.expected = {"pause": "paused", "resume": "moving", "cancel": "cancelled"}[word]

    async def check(self) -> None:
        """Shown and durable are as expected."""
        if not self.transfer_id:
            return
        shown = (await self.pulls.progress(self.transfer_id)).transfer
        row = await self._transfers.get(self.transfer_id)
        for state in (shown.state, row.state):
            moving = state in {TransferState.QUEUED, TransferState.RESOLVING, TransferState.DOWNLOADING}
            assert self.expected == ("moving" if moving else state.value)

    async def end(self) -> None:
        """Let it come to its end: a model, or nothing at all."""
        self.source._script.clear()
        if self.expected in {"moving", "paused"}:
            await self.pulls.pause(self.transfer_id)
            await self.pulls.resume(self.transfer_id)
            await self.jobs.wait(self.transfer_id)
        for job_id in list(self._pending):
            await self.jobs.wait(job_id)
        models = [artifact.model for artifact in await self._library.list()]
        assert (["tiny:Q4_K_M"] if self.expected in {"moving", "paused"} else []) == models
        assert [] == [*self._library.root.glob("partials/*"), *self._library.root.glob("plans/*")]


async def run(words: list[str], root: Path) -> None:
    """Say all of them, then let it end."""
    machine = Machine(root)
    for word in words:
        await machine.say(word)
    await machine.end()
    await machine.jobs.close()


@settings(max_examples=60, deadline=None)
@given(WORDS)
def test_the_last_accepted_word_counts(words: list[str]) -> None:
    """After each step the state is the model's; at the end the bytes are all there, or none of them."""
    with TemporaryDirectory() as folder:
        asyncio.run(run(words, Path(folder)))
