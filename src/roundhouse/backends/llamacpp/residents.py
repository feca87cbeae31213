"""Which models llama.cpp has in memory: one load for all who wait, room by unloading, leaving when idle, crashes.

Knows nothing about requests; those who have one enter a resident and leave it again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping

import structlog

from roundhouse.backends.children.pulse import QUESTIONS, feel
from roundhouse.backends.llamacpp.child import Child
from roundhouse.backends.llamacpp.config import ChildConfig
from roundhouse.backends.llamacpp.extras import checked
from roundhouse.backends.llamacpp.gpu import vram_of
from roundhouse.backends.llamacpp.memory import batch_of, make_room, prompt_cache
from roundhouse.backends.llamacpp.resident import Fit, LoadableModel, Loaded, Resident, RuntimeLimits, State
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.backends.openai.connection import Terms
from roundhouse.core.errors import BackendError, CapacityError, ConflictError, RoundhouseError
from roundhouse.core.inference import Capability
from roundhouse.library.gguf import read_header

_log = structlog.get_logger("roundhouse.llamacpp")


class Residents:
    """All models that were ever needed."""

    def __init__(
        self,
        limits: RuntimeLimits,
        environ: Mapping[str, str],
        changed: Callable[[str, bool], None],
        fit: Callable[[LoadableModel], Fit],
    ) -> None:
        self._limits = limits
        self._fit = fit
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
            model = find(name)
            resident = self._by_name[name] = Resident(model, self._fit(model), pinned=name in self._limits.pinned)
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

    def preload(self, name: str, find: Callable[[str], LoadableModel]) -> None:
        """Begin to load it, unless it is here or coming; what goes wrong is logged, and tried again by the next one."""
        known = self._by_name.get(name)
        if known is None or (known.state is State.STOPPED and (known.loading is None or known.loading.done())):
            self._spawn(self._preload(name, find))

    async def _preload(self, name: str, find: Callable[[str], LoadableModel]) -> None:
        resident = self.enter(name, find)
        try:
            await self.ready(resident)
        except RoundhouseError as error:
            _log.warning("a pinned model is not loaded", model=name, reason=error.message)
        finally:
            self.leave(resident, served=False)

    def known(self, name: str) -> Resident | None:
        """What was seen of it; ``None`` when nobody ever asked for it."""
        return self._by_name.get(name)

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
        if resident.is_pinned:
            message = f"{name} is pinned, and would be loaded again at once"
            raise ConflictError(message, hint="take it out of `runtime.pinned`")
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
        await self._move_in(resident)
        started = now()
        try:
            resident.loaded = await self._start(resident)
        except BaseException as error:
            resident.state = State.STOPPED
            self._freed.set()
            if isinstance(error, RoundhouseError):
                resident.failed(error.message, now())
            raise
        resident.state, resident.load_s = State.READY, now() - started
        child = resident.loaded.child
        child.exited.add_done_callback(lambda _exited: self._crashed(resident, child))
        self._watch(resident, resident.loaded)
        _log.info("model loaded", model=resident.model.name, pid=child.pid, context=resident.fit.context)
        self._changed(resident.model.name, True)  # noqa: FBT003 - loaded
        self._rest(resident)

    def _watch(self, resident: Resident, loaded: Loaded) -> None:
        """Have its pulse felt until it is gone."""
        work = feel(loaded.child, loaded.client, self._limits.hang_s, resident.need, lambda: resident.serving > 0)
        pulse = asyncio.get_running_loop().create_task(work)
        self._pulses.add(pulse)
        pulse.add_done_callback(self._pulses.discard)
        loaded.child.exited.add_done_callback(lambda _exited: pulse.cancel())

    async def _start(self, resident: Resident) -> Loaded:
        gpu = self._limits.gpu_load(resident.model, resident.fit.need)
        pools = await asyncio.to_thread(_pools_by_itself, resident.model)
        config = ChildConfig(
            path=str(resident.model.path),
            model=resident.model.name,
            context=resident.fit.context,
            parallel=self._limits.parallel,
            api_key=secrets.token_urlsafe(24),
            parent=os.getpid(),
            mean_pooling=not pools,
            ranks=Capability.RERANK in resident.model.abilities,
            threads=self._limits.threads,
            batch=batch_of(resident.fit.context, reads=pools or resident.model.reads),
            cache_type=self._limits.cache_type_of(resident.model.shape),
            gpu=gpu,
            prompt_cache_mib=max(1, prompt_cache(resident.fit.need.cache) >> 20),
            extras=await asyncio.to_thread(checked, resident.model.name, resident.model.extras),
        )
        child = await Child.start(config, self._environ, self._limits.load_s)
        resident.vram = vram_of(child.gpu_layers, gpu) if gpu is not None and child.gpu_layers else None
        terms = Terms(local=True, keep_alive=False, list_s=self._limits.hang_s / QUESTIONS)
        return Loaded(child, OpenAICompatible("llama.cpp", child.address, api_key=config.api_key, terms=terms))

    async def _move_in(self, resident: Resident) -> None:
        """Get it a place in memory, in turn. Raises CapacityError when there is none, or none becomes free in time."""
        self._check_size(resident)
        until = asyncio.get_running_loop().time() + self._limits.room_s
        try:
            async with asyncio.timeout_at(until):
                await self._room.acquire()
        except TimeoutError as error:
            raise _no_room(resident) from error
        try:
            await self._make_room(resident, until)
            resident.state = State.STARTING
        finally:
            self._room.release()

    def _check_size(self, resident: Resident) -> None:
        """Raise CapacityError when it would not fit even if all others left who can."""
        staying = sum(each.need for each in self._all if each.stays and each is not resident)
        if resident.need + staying <= self._limits.memory:
            return
        beside = f", of which those that are pinned take {_mib(staying)}" if staying else ""
        budget = f"models may take {_mib(self._limits.memory)}{beside}"
        message = f"{resident.model.name} needs about {_mib(resident.need)}, and {budget}"
        raise CapacityError(message, hint="allow more with `runtime.memory`, or ask for less `runtime.context`")

    async def _make_room(self, resident: Resident, until: float) -> None:
        """Unload idle models, least recently used first, until it fits; wait for busy ones."""
        try:
            async with asyncio.timeout_at(until):
                while (leaving := self._leaving(resident.need, self._limits.memory)) is None:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError as error:
            raise _no_room(resident) from error
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
            if resident.stays:
                return
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


def _no_room(resident: Resident) -> CapacityError:
    message = f"no room for {resident.model.name}: the models in memory are all serving"
    return CapacityError(message, retry_after_s=1.0)


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
