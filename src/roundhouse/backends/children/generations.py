"""Which models have a child: one load for all who wait, room by ending others, leaving when idle, crashes.

Knows nothing about requests; those who have one enter a generation and leave it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass

import structlog

from roundhouse.backends.children.child import Child, KilledError
from roundhouse.backends.children.generation import Generation, Lease, Loaded, State
from roundhouse.backends.children.pulse import feel
from roundhouse.core.errors import CapacityError, RoundhouseError

_log = structlog.get_logger("roundhouse.children")


@dataclass(frozen=True, slots=True)
class HouseRules:
    """What all children of one backend may take."""

    #: Bytes of all of them together.
    memory: int
    #: A model that served nothing for so long is unloaded.
    idle_s: float = 300.0
    #: A child that serves and answers nothing for so long, not even how it is, is killed.
    hang_s: float = 20.0
    #: How long a model waits for others to finish before it gives up.
    room_s: float = 30.0


class Generations:
    """All models that were ever needed."""

    def __init__(
        self,
        rules: HouseRules,
        lease_of: Callable[[str], Awaitable[Lease]],
        changed: Callable[[str, bool], None],
    ) -> None:
        self._rules = rules
        self._lease_of = lease_of
        self._changed = changed
        self._by_name: dict[str, Generation] = {}
        #: The same and the outdated ones that still serve; least recently used first.
        self._all: dict[Generation, None] = {}
        #: One model at a time makes room; the loading itself goes on side by side.
        self._room = asyncio.Lock()
        self._freed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pulses: set[asyncio.Task[None]] = set()

    def enter(self, name: str) -> Generation:
        """Get the model of that name, loaded or not, and keep it from being unloaded until ``leave``."""
        generation = self._by_name.get(name)
        if generation is None:
            generation = self._by_name[name] = Generation(name)
            self._all[generation] = None
        generation.serving += 1
        generation.stay()
        return generation

    def leave(self, generation: Generation, *, served: bool) -> None:
        """Let go of it; *served* when the request got its answer."""
        generation.serving -= 1
        if served:
            generation.succeeded()
        self._all[generation] = self._all.pop(generation, None)
        self._rest(generation)

    async def ready(self, generation: Generation) -> Loaded:
        """Wait until it is loaded; all who wait share one load. Raises BackendError, CapacityError."""
        while generation.state is not State.READY or generation.loaded is None:
            if generation.loading is None or generation.loading.done():
                generation.loading = self._spawn(self._load(generation))
            # Whoever gives up waiting does not take the load away from the others.
            await asyncio.shield(generation.loading)
        return generation.loaded

    def known(self, name: str) -> Generation | None:
        """The model of that name, if it was ever needed."""
        return self._by_name.get(name)

    def names_loaded(self) -> list[str]:
        """Names of those that are ready, least recently used first."""
        return [each.name for each in self._all if each.state is State.READY]

    def names_in_use(self) -> list[str]:
        """Names of those that are in memory, on their way there, or asked for."""
        return [each.name for each in self._all if each.state is not State.STOPPED or each.serving]

    def memory_used(self) -> int:
        """Bytes that those in memory take, as far as is known."""
        return sum(each.need for each in self._all if each.state is not State.STOPPED)

    async def outdate(self, name: str) -> None:
        """Let *name* go, at once or when its last reply is through; the next request starts it anew."""
        generation = self._by_name.pop(name, None)
        if generation is None:
            return
        generation.is_outdated = True
        generation.stay()
        if generation.state is State.READY and not generation.serving:
            await self._stop(generation)
        else:
            self._rest(generation)

    async def close(self) -> None:
        """Stop all of them."""
        for generation in self._all:
            generation.stay()
            if generation.loading is not None:
                generation.loading.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*[self._stop(each) for each in list(self._all) if each.loaded is not None])

    async def _load(self, generation: Generation) -> None:
        """Make room, then start its child."""
        now = asyncio.get_running_loop().time
        started = now()
        generation.check_backoff(started)
        if generation.stopping is not None:
            await asyncio.shield(generation.stopping)
        lease = await self._lease_of(generation.name)
        async with self._room:
            generation.need = lease.need
            await self._make_room(generation)
            generation.state = State.STARTING
        try:
            generation.loaded = await self._started(generation, lease)
        except BaseException as error:
            generation.state = State.STOPPED
            self._freed.set()
            if isinstance(error, RoundhouseError):
                generation.failed(error.message, now())
            raise
        generation.state, generation.load_s = State.READY, now() - started
        child = generation.loaded.child
        child.exited.add_done_callback(lambda _exited: self._crashed(generation, child))
        self._watch(generation, generation.loaded)
        _log.info("model loaded", runtime=child.runtime, model=generation.name, pid=child.pid)
        self._changed(generation.name, True)  # noqa: FBT003 - loaded
        self._rest(generation)

    async def _started(self, generation: Generation, lease: Lease) -> Loaded:
        """Its child; a second one where the first was killed, in which those who wait had no part."""
        try:
            return await lease.start()
        except KilledError as error:
            now = asyncio.get_running_loop().time()
            generation.failed(error.message, now)
            generation.check_backoff(now)
            _log.warning("a child did not come up, and another one is started", reason=error.message)
        return await lease.start()

    def _watch(self, generation: Generation, loaded: Loaded) -> None:
        """Have its pulse felt until it is gone."""
        work = feel(loaded.child, loaded.client, self._rules.hang_s, generation.need, lambda: generation.serving > 0)
        pulse = asyncio.get_running_loop().create_task(work)
        self._pulses.add(pulse)
        pulse.add_done_callback(self._pulses.discard)
        loaded.child.exited.add_done_callback(lambda _exited: pulse.cancel())

    async def _make_room(self, generation: Generation) -> None:
        """Unload idle models, least recently used first, until it fits; wait for busy ones."""
        try:
            async with asyncio.timeout(self._rules.room_s):
                while (leaving := self._leaving(generation.need)) is None:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError as error:
            message = f"no room for {generation.name}: the models in memory are all serving"
            raise CapacityError(message, retry_after_s=1.0) from error
        # All of them are marked before the first is waited for: nobody may enter one that is about to go.
        await asyncio.gather(*[self._stop(each) for each in leaving])

    def _leaving(self, need: int) -> list[Generation] | None:
        """Who must go, and nobody who need not; ``None`` when it cannot be done without one that is serving."""
        there = [each for each in self._all if each.state is not State.STOPPED]
        excess = need + sum(each.need for each in there) - self._rules.memory
        leaving: list[Generation] = []
        for each in there:
            if excess <= 0:
                break
            if each.state is State.READY and not each.serving:
                leaving.append(each)
                excess -= each.need
        return leaving if excess <= 0 else None

    def _rest(self, generation: Generation) -> None:
        """Let its idle time begin, if nobody needs it."""
        if generation.serving:
            return
        self._freed.set()
        if generation.state is State.READY:
            idle_s = 0.0 if generation.is_outdated else self._rules.idle_s
            generation.idle = asyncio.get_running_loop().call_later(idle_s, self._stop, generation)
        elif generation.state is State.STOPPED and generation.is_outdated:
            self._all.pop(generation, None)

    def _stop(self, generation: Generation) -> Awaitable[None]:
        """Begin to unload, at once; to be awaited for the end."""
        if generation.stopping is None or generation.stopping.done():
            generation.state = State.STOPPING
            generation.stopping = self._spawn(self._take_down(generation))
        return asyncio.shield(generation.stopping)

    async def _take_down(self, generation: Generation) -> None:
        generation.stay()
        loaded, generation.loaded = generation.loaded, None
        if loaded is not None:
            await loaded.child.stop()
            await loaded.client.close()
            _log.info("model unloaded", runtime=loaded.child.runtime, model=generation.name)
            self._changed(generation.name, False)  # noqa: FBT003 - not loaded
        generation.state = State.STOPPED
        self._rest(generation)
        self._freed.set()

    def _crashed(self, generation: Generation, child: Child) -> None:
        """Take note that its process is gone, unless we ended it ourselves."""
        if generation.loaded is None or generation.loaded.child is not child or generation.state is not State.READY:
            return
        _log.warning(
            "a child crashed", runtime=child.runtime, model=generation.name, pid=child.pid, ending=child.ending
        )
        generation.failed(f"{child.runtime} was {child.ending}", asyncio.get_running_loop().time())
        self._stop(generation)

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Forget *task*; its error belongs to those who wait for it, and if all have left, to nobody."""
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()
