"""Which models llama.cpp has in memory: one load for all who wait, room by unloading, leaving when idle, crashes.

Knows nothing about requests; those who have one enter a resident and leave it again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping

import structlog

from roundhouse.backends.llamacpp.child import Child
from roundhouse.backends.llamacpp.config import ChildConfig
from roundhouse.backends.llamacpp.memory import make_room
from roundhouse.backends.llamacpp.pulse import QUESTIONS, feel
from roundhouse.backends.llamacpp.resident import LoadableModel, Loaded, Resident, RuntimeLimits, State
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.backends.openai.connection import Terms
from roundhouse.core.errors import BackendError, CapacityError, ConflictError, RoundhouseError
from roundhouse.library.gguf import read_header

_log = structlog.get_logger("roundhouse.llamacpp")


class Residents:
    """All models that were ever needed."""

    def __init__(self, limits: RuntimeLimits, environ: Mapping[str, str], changed: Callable[[str, bool], None]) -> None:
        self._limits = limits
        self._environ = environ
        self._changed = changed
        self._by_name: dict[str, Resident] = {}
        #: The same and the outdated ones that still serve; least recently used first.
        self._all: dict[Resident, None] = {}
        #: One model at a time makes room; the loading itself goes on side by side.
        self._room = asyncio.Lock()
        self._freed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pulses: set[asyncio.Task[None]] = set()

    def enter(self, name: str, find: Callable[[str], LoadableModel]) -> Resident:
        """Get the model of that name, loaded or not, and keep it from being unloaded until ``leave``."""
        resident = self._by_name.get(name)
        if resident is None:
            resident = self._by_name[name] = Resident(find(name), self._limits)
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

    def names_loaded(self) -> list[str]:
        """Names of those that are ready, least recently used first."""
        return [resident.model.name for resident in self._all if resident.state is State.READY]

    def names_in_use(self) -> list[str]:
        """Names of those that are in memory, on their way there, or asked for."""
        return [
            resident.model.name for resident in self._all if resident.state is not State.STOPPED or resident.serving
        ]

    def memory_used(self) -> int:
        """Bytes that the loaded ones are estimated to take."""
        return sum(resident.need for resident in self._all if resident.state is not State.STOPPED)

    def outdate(self, name: str) -> None:
        """Let the loaded *name* go as soon as nobody needs it: the library replaced or removed it."""
        resident = self._by_name.pop(name, None)
        if resident is not None:
            resident.is_outdated = True
            resident.stay()
            self._rest(resident)

    async def unload(self, name: str) -> None:
        """Let go of it, if it is in memory. Raises ConflictError when it is serving or being loaded."""
        resident = self._by_name.get(name)
        if resident is None or resident.state is State.STOPPED:
            return
        if resident.serving or resident.state is State.STARTING:
            message = f"{name} is in use"
            raise ConflictError(message, hint="try again when its requests are answered")
        await self._stop(resident)

    async def close(self) -> None:
        """Stop all of them."""
        for resident in self._all:
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
        async with self._room:
            await self._make_room(resident)
            resident.state = State.STARTING
        try:
            resident.loaded = await self._start(resident)
        except BaseException as error:
            resident.state = State.STOPPED
            self._freed.set()
            if isinstance(error, RoundhouseError):
                resident.failed(error.message, now())
            raise
        resident.state = State.READY
        child = resident.loaded.child
        child.exited.add_done_callback(lambda _exited: self._crashed(resident, child))
        self._watch(resident, resident.loaded)
        _log.info("model loaded", model=resident.model.name, pid=child.pid, context=resident.context)
        self._changed(resident.model.name, True)  # noqa: FBT003 - loaded
        self._rest(resident)

    def _watch(self, resident: Resident, loaded: Loaded) -> None:
        """Have its pulse felt until it is gone."""
        work = feel(loaded.child, loaded.client, self._limits.hang_s, lambda: resident.serving > 0)
        pulse = asyncio.get_running_loop().create_task(work)
        self._pulses.add(pulse)
        pulse.add_done_callback(self._pulses.discard)
        loaded.child.exited.add_done_callback(lambda _exited: pulse.cancel())

    async def _start(self, resident: Resident) -> Loaded:
        config = ChildConfig(
            path=str(resident.model.path),
            model=resident.model.name,
            context=resident.context,
            parallel=self._limits.parallel,
            api_key=secrets.token_urlsafe(24),
            parent=os.getpid(),
            mean_pooling=not await asyncio.to_thread(_pools_by_itself, resident.model),
            threads=self._limits.threads,
        )
        child = await Child.start(config, self._environ, self._limits.load_s)
        terms = Terms(local=True, keep_alive=False, list_s=self._limits.hang_s / QUESTIONS)
        return Loaded(child, OpenAICompatible("llama.cpp", child.address, api_key=config.api_key, terms=terms))

    async def _make_room(self, resident: Resident) -> None:
        """Unload idle models, least recently used first, until it fits; wait for busy ones."""
        budget = self._limits.memory
        if resident.need > budget:
            message = f"{resident.model.name} needs about {_mib(resident.need)}, and models may take {_mib(budget)}"
            raise CapacityError(message, hint="allow more with `runtime.memory`, or ask for less `runtime.context`")
        try:
            async with asyncio.timeout(self._limits.room_s):
                while (leaving := self._leaving(resident.need, budget)) is None:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError as error:
            message = f"no room for {resident.model.name}: the models in memory are all serving"
            raise CapacityError(message, retry_after_s=1.0) from error
        # All of them are marked before the first is waited for: nobody may enter one that is about to go.
        await asyncio.gather(*[self._stop(each) for each in leaving])

    def _leaving(self, need: int, budget: int) -> list[Resident] | None:
        tenants = {each: each.tenant for each in self._all if each.state is not State.STOPPED}
        return make_room(need, budget, tenants)

    def _rest(self, resident: Resident) -> None:
        """Let its idle time begin, if nobody needs it."""
        if resident.serving:
            return
        self._freed.set()
        if resident.state is State.READY:
            idle_s = 0.0 if resident.is_outdated else self._limits.idle_s
            resident.idle = asyncio.get_running_loop().call_later(idle_s, self._stop, resident)
        elif resident.state is State.STOPPED and resident.is_outdated:
            self._all.pop(resident, None)

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
            _log.info("model unloaded", model=resident.model.name)
            self._changed(resident.model.name, False)  # noqa: FBT003 - not loaded
        resident.state = State.STOPPED
        self._rest(resident)
        self._freed.set()

    def _crashed(self, resident: Resident, child: Child) -> None:
        """Take note that its process is gone, unless we ended it ourselves."""
        if resident.loaded is None or resident.loaded.child is not child or resident.state is not State.READY:
            return
        _log.warning("llama.cpp crashed", model=resident.model.name, pid=child.pid, ending=child.ending)
        resident.failed(f"llama.cpp was {child.ending}", asyncio.get_running_loop().time())
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


def _pools_by_itself(model: LoadableModel) -> bool:
    """Whether its file says how to make one embedding of many. Raises BackendError when it is no sound GGUF file."""
    try:
        header = read_header(model.path)
    except (RoundhouseError, OSError) as error:
        message = f"{model.name} cannot be loaded: {error}"
        raise BackendError(message, hint=f"check its files with `roundhouse models verify {model.name}`") from error
    return bool(header.metadata.get(f"{header.architecture}.pooling_type"))


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"
