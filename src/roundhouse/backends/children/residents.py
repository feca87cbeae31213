"""Which models have a child: one load for all who wait, room by unloading, leaving when idle, crashes.

Knows nothing about requests; those who have one enter a resident and leave it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import ClassVar

import structlog

from roundhouse.backends.children.child import Child, KilledError
from roundhouse.backends.children.eviction import make_room
from roundhouse.backends.children.pulse import feel
from roundhouse.backends.children.resident import Lease, Loaded, Resident, State
from roundhouse.core.errors import CapacityError, ConflictError, RoundhouseError

_log = structlog.get_logger("roundhouse.children")


@dataclass(frozen=True, slots=True)
class HouseRules:
    """What all children of one backend may take."""

    #: How to allow more, in the words of the configuration.
    more_memory: ClassVar[str] = "allow more with the option `memory`, or ask for less with `context`"

    #: Bytes that all loaded models may take together.
    memory: int
    #: A model that served nothing for so long is unloaded.
    idle_s: float = 300.0
    #: A child that serves and answers nothing for so long, not even how it is, is killed.
    hang_s: float = 20.0
    #: How long a model waits for others to finish before it gives up.
    room_s: float = 30.0


class Residents:
    """All models that were ever needed."""

    def __init__(
        self, rules: HouseRules, meet: Callable[[str], Resident], changed: Callable[[str, bool], None]
    ) -> None:
        self._rules = rules
        self._meet = meet
        self._changed = changed
        self._by_name: dict[str, Resident] = {}
        #: The same and the outdated ones that still serve; least recently used first.
        self._all: dict[Resident, None] = {}
        #: One model at a time makes room; the loading itself goes on side by side.
        self._room = asyncio.Lock()
        self._freed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pulses: set[asyncio.Task[None]] = set()

    def enter(self, name: str) -> Resident:
        """Get the model of that name, loaded or not, and keep it from being unloaded until ``leave``.

        Raises what it raises to ``meet`` one that is needed for the first time.
        """
        resident = self._by_name.get(name)
        if resident is None:
            resident = self._by_name[name] = self._meet(name)
            self._all[resident] = None
        resident.serving += 1
        resident.stay()
        return resident

    def leave(self, resident: Resident, *, served: bool) -> None:
        """Let go of it; *served* when the request got its answer."""
        resident.serving -= 1
        if served:
            resident.succeeded()
        self._all[resident] = self._all.pop(resident, None)
        self._rest(resident)

    async def ready(self, resident: Resident) -> Loaded:
        """Wait until it is loaded; all who wait share one load. Raises BackendError, CapacityError."""
        while resident.state is not State.READY or resident.loaded is None:
            if resident.loading is None or resident.loading.done():
                resident.loading = self._spawn(self._load(resident))
            # Whoever gives up waiting does not take the load away from the others.
            await asyncio.shield(resident.loading)
        return resident.loaded

    def preload(self, name: str) -> None:
        """Begin to load it, unless it is here or coming; what goes wrong is logged, and tried again by the next one."""
        known = self._by_name.get(name)
        if known is None or (known.state is State.STOPPED and (known.loading is None or known.loading.done())):
            self._spawn(self._preload(name))

    async def _preload(self, name: str) -> None:
        resident = self.enter(name)
        try:
            await self.ready(resident)
        except RoundhouseError as error:
            _log.warning("a model is not loaded before it is asked for", model=name, reason=error.message)
        finally:
            self.leave(resident, served=False)

    def known(self, name: str) -> Resident | None:
        """The model of that name; ``None`` when nobody ever asked for it."""
        return self._by_name.get(name)

    def names_loaded(self) -> list[str]:
        """Names of those that are ready, least recently used first."""
        return [resident.name for resident in self._all if resident.state is State.READY]

    def names_in_use(self) -> list[str]:
        """Names of those that are in memory, on their way there, or asked for."""
        return [resident.name for resident in self._all if resident.state is not State.STOPPED or resident.serving]

    def memory_used(self) -> int:
        """Bytes that the loaded ones are estimated to take."""
        return sum(resident.need for resident in self._all if resident.state is not State.STOPPED)

    def outdate(self, name: str) -> None:
        """Let *name* go, at once or when its last reply is through; the next who asks starts it anew."""
        resident = self._by_name.pop(name, None)
        if resident is not None:
            resident.is_outdated = True
            resident.stay()
            self._rest(resident)

    async def retire(self, name: str) -> None:
        """Do the same, and wait for its end if that comes at once."""
        resident = self._by_name.get(name)
        self.outdate(name)
        if resident is not None and resident.stopping is not None:
            await asyncio.shield(resident.stopping)

    async def unload(self, name: str) -> None:
        """Let go of it, if it is in memory. Raises ConflictError when it is serving or being loaded."""
        resident = self._by_name.get(name)
        if resident is None or resident.state is State.STOPPED:
            return
        if resident.serving or resident.state is State.STARTING:
            message = f"{name} is in use"
            raise ConflictError(message, hint="try again when its requests are answered")
        if resident.pin is not None:
            message = f"{name} is pinned, and would be loaded again at once"
            raise ConflictError(message, hint=f"take it out of `{resident.pin}`")
        await self._stop(resident)

    async def close(self) -> None:
        """Stop all of them."""
        for resident in self._all:
            resident.stay()
            if resident.loading is not None:
                resident.loading.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*[self._stop(resident) for resident in list(self._all) if resident.loaded is not None])

    async def _load(self, resident: Resident) -> None:
        """Make room, then start its child."""
        now = asyncio.get_running_loop().time
        resident.check_backoff(now())
        if resident.stopping is not None:
            await asyncio.shield(resident.stopping)
        lease = await resident.lease()
        await self._move_in(resident, lease.need)
        started = now()
        try:
            resident.loaded = await self._started(resident, lease)
        except BaseException as error:
            resident.state = State.STOPPED
            self._rest(resident)
            if isinstance(error, RoundhouseError):
                resident.failed(error.message, now())
            raise
        resident.state, resident.load_s = State.READY, round(now() - started, 3)
        child = resident.loaded.child
        child.exited.add_done_callback(lambda _exited: self._crashed(resident, child))
        self._watch(resident, resident.loaded)
        _log.info("model loaded", runtime=child.runtime, model=resident.name, pid=child.pid, context=lease.context)
        self._changed(resident.name, True)  # noqa: FBT003 - loaded
        self._rest(resident)

    async def _started(self, resident: Resident, lease: Lease) -> Loaded:
        """Its child; a second one where the first was killed, in which those who wait had no part."""
        try:
            return await lease.start()
        except KilledError as error:
            now = asyncio.get_running_loop().time()
            resident.failed(error.message, now)
            resident.check_backoff(now)
            _log.warning("a child did not come up, and another one is started", reason=error.message)
        return await lease.start()

    def _watch(self, resident: Resident, loaded: Loaded) -> None:
        """Have its pulse felt until it is gone."""
        work = feel(loaded.child, loaded.client, self._rules.hang_s, resident.need, lambda: resident.serving > 0)
        pulse = asyncio.get_running_loop().create_task(work)
        self._pulses.add(pulse)
        pulse.add_done_callback(self._pulses.discard)
        loaded.child.exited.add_done_callback(lambda _exited: pulse.cancel())

    async def _move_in(self, resident: Resident, need: int) -> None:
        """Get it a place in memory, in turn. Raises CapacityError when there is none, or none becomes free in time."""
        self._check_size(resident, need)
        until = asyncio.get_running_loop().time() + self._rules.room_s
        try:
            async with asyncio.timeout_at(until):
                await self._room.acquire()
        except TimeoutError as error:
            raise _no_room(resident) from error
        try:
            resident.need = need
            await self._make_room(resident, until)
            resident.state = State.STARTING
            # It was forgotten if it was outdated while it waited, and all who asked for it gave up.
            self._all.setdefault(resident)
        finally:
            self._room.release()

    def _check_size(self, resident: Resident, need: int) -> None:
        """Raise CapacityError when it would not fit even if all others left who can."""
        staying = sum(each.need for each in self._all if each.stays and each is not resident)
        if need + staying <= self._rules.memory:
            return
        beside = f", of which those that are pinned take {_mib(staying)}" if staying else ""
        budget = f"models may take {_mib(self._rules.memory)}{beside}"
        message = f"{resident.name} needs about {_mib(need)}, and {budget}"
        raise CapacityError(message, hint=self._rules.more_memory)

    async def _make_room(self, resident: Resident, until: float) -> None:
        """Unload idle models, least recently used first, until it fits; wait for busy ones."""
        try:
            async with asyncio.timeout_at(until):
                while (leaving := self._leaving(resident.need)) is None:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError as error:
            raise _no_room(resident) from error
        # All of them are marked before the first is waited for: nobody may enter one that is about to go.
        await asyncio.gather(*[self._stop(each) for each in leaving])

    def _leaving(self, need: int) -> list[Resident] | None:
        tenants = {each: each.tenant for each in self._all if each.state is not State.STOPPED}
        return make_room(need, self._rules.memory, tenants)

    def _rest(self, resident: Resident) -> None:
        """Have those who wait for room look again; let its idle time begin, if nobody needs it."""
        self._freed.set()
        if resident.serving:
            return
        if resident.is_outdated and resident.state is State.READY:
            self._stop(resident)
        elif resident.is_outdated and resident.state is State.STOPPED:
            self._all.pop(resident, None)
        elif resident.state is State.READY and not resident.stays:
            resident.idle = asyncio.get_running_loop().call_later(self._rules.idle_s, self._stop, resident)

    def _stop(self, resident: Resident) -> Awaitable[None]:
        """Begin to unload, at once; to be awaited for the end."""
        if resident.stopping is None or resident.stopping.done():
            resident.state = State.STOPPING
            resident.stopping = self._spawn(self._take_down(resident))
        return asyncio.shield(resident.stopping)

    async def _take_down(self, resident: Resident) -> None:
        resident.stay()
        loaded, resident.loaded = resident.loaded, None
        if loaded is not None:
            await loaded.child.stop()
            await loaded.client.close()
            _log.info("model unloaded", runtime=loaded.child.runtime, model=resident.name)
            self._changed(resident.name, False)  # noqa: FBT003 - not loaded
        resident.state = State.STOPPED
        self._rest(resident)

    def _crashed(self, resident: Resident, child: Child) -> None:
        """Take note that its process is gone, unless we ended it ourselves."""
        if resident.loaded is None or resident.loaded.child is not child or resident.state is not State.READY:
            return
        _log.warning("a child crashed", runtime=child.runtime, model=resident.name, pid=child.pid, ending=child.ending)
        resident.failed(f"{child.runtime} was {child.ending}", asyncio.get_running_loop().time())
        self._stop(resident)

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


def _no_room(resident: Resident) -> CapacityError:
    message = f"no room for {resident.name}: the models in memory are all serving"
    return CapacityError(message, retry_after_s=1.0)


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"
