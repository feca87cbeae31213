"""Backends that have children, with eyes on them, and what is done to the children. Knows nothing of any runtime."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

import psutil

from roundhouse.core.clock import SystemClock
from roundhouse.core.errors import BackendError
from roundhouse.core.events import Event, Events, ResidencyChanged
from roundhouse.core.inference import Chunk, Deployment, InferenceRequest
from roundhouse.core.ports import Backend
from roundhouse.health.standing import Standings
from roundhouse.routing.snapshot import Snapshot
from roundhouse.serving.serve import Serving
from roundhouse.testing.asking import ask_chat

_QUEUED = 8
B = TypeVar("B", bound=Backend)


class Watched(Generic[B]):
    """A backend that was made with events of its own; to be closed by ``backend.close()``."""

    def __init__(self, make: Callable[[Events], B]) -> None:
        self.events = Events()
        #: Every load and unload so far.
        self.changes: list[tuple[str, bool]] = []
        self._unread: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()
        self.events.subscribe(self._note)
        self.backend = make(self.events)

    async def change(self, within_s: float = 30.0) -> tuple[str, bool]:
        """Wait for the next load or unload that nobody waited for yet."""
        async with asyncio.timeout(within_s):
            return await self._unread.get()

    async def deployment(self, model: str = "noise") -> Deployment:
        """What the backend says about *model*."""
        return {each.model: each for each in await self.backend.deployments()}[model]

    def _note(self, event: Event) -> None:
        if isinstance(event, ResidencyChanged):
            self.changes.append((event.model, event.loaded))
            self._unread.put_nowait((event.model, event.loaded))


def serving_of(backend: Backend, deployments: Sequence[Deployment]) -> Serving:
    """A serving room with nothing but *deployments* of this one *backend*."""
    snapshot = Snapshot.build(deployments)
    backends = {each.backend: backend for each in deployments}
    return Serving(backends, lambda: snapshot, Standings(lambda: 0.5), lambda _: None, SystemClock())


async def lose(serving: Serving, strike: Callable[[], None], long: InferenceRequest, many: int) -> tuple[int, int]:
    """Fill a child with *many* streams, have eight more requests wait, and *strike* it.

    How many streams were told that it was killed, and how many of the eight were served after all.
    """
    flows = [(await serving.stream(long))[1] for _ in range(many)]
    queued = [asyncio.ensure_future(serving.answer(ask_chat())) for _ in range(_QUEUED)]
    await asyncio.sleep(0)
    strike()
    outcomes = await asyncio.gather(*map(read_on, flows), return_exceptions=True)
    async with asyncio.timeout(60):
        served = sum(answer.usage is not None for _, answer in await asyncio.gather(*queued))
    return sum(isinstance(each, BackendError) and "killed by SIGKILL" in str(each) for each in outcomes), served


async def read_on(chunks: AsyncGenerator[Chunk, None]) -> None:
    """Read a stream to its end, whichever that is."""
    async for _ in chunks:
        pass


def children_with(argument: str) -> list[psutil.Process]:
    """Every process that this process started itself, that lives, and has an argument that ends so."""
    return [each for each in psutil.Process().children() if _has(each, argument)]


def hit(child: psutil.Process, how: signal.Signals) -> None:
    """Send it a signal that ends or stops it, and see that it did."""
    child.send_signal(how)
    with suppress(psutil.NoSuchProcess):
        while child.status() not in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
            pass


def _has(process: psutil.Process, argument: str) -> bool:
    try:
        return any(part.endswith(argument) for part in process.cmdline())
    except psutil.Error:
        return False


def orphaned(command: Sequence[str]) -> tuple[int, int]:
    """Run *command*, and kill it when it printed a JSON list of its children's process ids.

    How many of them ended with it, and how many live on.
    """
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet) as parent:  # noqa: S603 - the test's own
        said = next(line for line in parent.stdout or () if line.startswith(b"["))
        orphans = [psutil.Process(pid) for pid in json.loads(said)]
        parent.kill()
        parent.wait()
        gone, alive = psutil.wait_procs(orphans, timeout=10)
    return len(gone), len(alive)
