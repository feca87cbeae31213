"""Which copies LM Studio has in memory: one is loaded when it is needed, however many ask. Knows nothing about answers.

A copy that somebody else loaded is used, and never unloaded but by a person's word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from roundhouse.backends.kinds.lmstudio.calls import Calls, Loaded
from roundhouse.backends.kinds.lmstudio.config import Policy
from roundhouse.backends.kinds.lmstudio.copies import Copies, Copy
from roundhouse.backends.kinds.lmstudio.facts import Known
from roundhouse.backends.kinds.lmstudio.need import Need
from roundhouse.backends.kinds.lmstudio.saying import StrangerError, is_gone
from roundhouse.backends.kinds.loads import Loads
from roundhouse.backends.kinds.window import Reach
from roundhouse.backends.wire.figures import tokens
from roundhouse.backends.wire.listing import undeclared
from roundhouse.core.clock import Clock
from roundhouse.core.errors import BackendError, CapacityError, ConflictError, NotFoundError, RoundhouseError
from roundhouse.core.inference import Capability

#: Seconds for which nobody looks again. Without a native API nobody can look, only have it answer, which costs.
_BELIEVED_S, _BLINDLY_BELIEVED_S = 2.0, 1800.0
#: Seconds for which a context that there was no room for is not tried again.
_CRAMPED_S = 600.0
_TRIES = 5
_DOWNLOAD = "download it in LM Studio first"
_EMBEDDER = frozenset({Capability.EMBEDDING})


class Memory:
    """The memory of one LM Studio."""

    def __init__(self, name: str, calls: Calls, clock: Clock, policy: Policy) -> None:
        self._name, self._calls, self._clock, self._policy = name, calls, clock, policy
        self.copies = Copies(clock)
        self._loads = Loads()
        self._looking: asyncio.Task[list[Known] | None] | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self._embedders: set[str] = set()
        #: Tokens that each model was made for.
        self._largest: dict[str, int | None] = {}
        #: The context that there was room for, and until when that counts.
        self._cramped: dict[str, tuple[int, float]] = {}
        #: The context that a load under way is for.
        self._aims: dict[str, int | None] = {}
        self._has_looked = False

    def took(self, model: str) -> float | None:
        """Seconds that the last load of *model* took, if one was seen."""
        return self._loads.took(model)

    def context(self, model: Known) -> int | None:
        """Tokens that a request can have: a larger context is loaded where LM Studio can be told."""
        reachable = self._reach(model.key).served if self._calls.version == 1 else None
        room = self._room(model.key)
        if reachable is not None and room is not None:
            reachable = min(reachable, room)
        return max(reachable or 0, model.context or 0) or None

    async def look(self) -> list[Known] | None:
        """What it has, asked once however many want to know; ``None``: nobody can look. Raises RoundhouseError."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(self._looked)
        return await asyncio.shield(self._looking)

    def keep_up(self) -> None:
        """Have loaded what is wanted before anybody asks, anew after a restart, and let go of what nobody wants."""
        if self._calls.was_away:
            self._calls.was_away = False
            for model in self._policy.preload:
                self._spawn(self._join(model, self._policy.context, None))
        if self.copies.outstayed():
            self._spawn(self._tidy())

    def lost(self) -> None:
        """Note that a connection broke: it may be started anew, with nothing in memory."""
        self._calls.was_away = True
        self.copies.doubt()

    async def ready(self, model: str, need: Need) -> Copy:
        """A copy of *model* that holds what is needed, loaded if there is none.

        Raises:
            SchemaError: it can hold no such thing.
            RoundhouseError: NotFoundError, CapacityError, BackendError.

        """
        if need.embeds:
            self._embedders.add(model)
        await self._confirm(model)
        keep_s = self._policy.keep_s if self._calls.version == 1 else self._policy.ttl_s
        for _ in range(_TRIES):
            window = self._window(model, need)
            if not self._loads.is_under_way(model):
                found = self._fitting(model, window)
                if found is not None:
                    return found
            aim = self._aims.get(model) if self._loads.is_under_way(model) else window
            try:
                await self._join(model, window, keep_s)
            except RoundhouseError:
                if aim is None or window is None or window >= aim:
                    raise  # else what failed was for more than this request needs
        there = self.copies.of(model)
        if not there:
            message = f"{self._name}: {model} was loaded, and is gone again"
            raise BackendError(message, hint="what else is in memory there?")
        return max(there, key=_context)

    async def load(self, model: str, context: int | None, keep_s: float | None) -> float:
        """Bring it into memory as a person wants it; seconds it took. Raises NotFoundError, CapacityError."""
        await self._find(model)
        there = self.copies.of(model)
        if any(context is None or (copy.context or 0) >= context for copy in there):
            return 0.0
        if any(copy.busy for copy in there):
            message = f"{self._name}: {model} is answering, and would have to be loaded again for that context"
            raise CapacityError(message, hint="ask again when it is done")
        if there:
            await self.unload(model)
        try:
            return await self._join(model, context or self._policy.context, keep_s)
        except BackendError as error:
            if not is_gone(error) or isinstance(error, StrangerError):
                raise
            # Where there is no list it is found out by asking.
            raise NotFoundError(error.message, hint=_DOWNLOAD, details=error.details) from error

    async def unload(self, model: str) -> None:
        """Let go of all its copies. Raises NotFoundError, ConflictError, BackendError."""
        await self._find(model)
        if self._calls.version != 1:
            message = f"{self._name}: this version cannot unload when asked"
            raise BackendError(message, hint="update LM Studio to 0.4")
        if any(copy.busy for copy in self.copies.of(model)):  # LM Studio itself would cut what it says
            message = f"{self._name}: {model} is in use"
            raise ConflictError(message, hint="try again when its requests are answered")
        for copy in self.copies.of(model):
            await self._let_go(copy)

    async def close(self) -> None:
        """Stop waiting for what nobody needs any more."""
        tasks = [*self._tasks, *([self._looking] if self._looking is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._loads.close()

    async def _find(self, model: str) -> Known | None:
        """What is told of one model; ``None`` when nobody can look. Raises NotFoundError."""
        known = await self.look()
        if known is None:
            return None
        for each in known:
            if each.key == model:
                return each
        message = f"{self._name} has no model {model}"
        raise NotFoundError(message, hint=_DOWNLOAD, details={"backend": self._name})

    async def _confirm(self, model: str) -> None:
        """Look whether what is believed of *model* still holds, unless that was seen just now."""
        if not self.copies.of(model):
            if not self._has_looked:
                await self.look()
            return
        age = self.copies.age(model)
        if self._calls.version is not None:
            if age > _BELIEVED_S:
                await self.look()
        elif age > _BLINDLY_BELIEVED_S:
            for copy in self.copies.of(model):
                self.copies.drop(copy)

    def _reach(self, model: str) -> Reach:
        """Between which sizes its context may be; what is in memory already can be had in any case."""
        reach = Reach(self._largest.get(model), fixed=self._policy.context)
        loaded = max(map(_context, self.copies.of(model)), default=0)
        return Reach(loaded) if reach.served is not None and loaded > reach.served else reach

    def _room(self, model: str) -> int | None:
        """The context that there was room for when a larger one was tried lately."""
        room, until = self._cramped.get(model, (None, 0.0))
        return room if self._clock.monotonic() < until else None

    def _window(self, model: str, need: Need) -> int | None:
        """The context to load it with; ``None`` where nobody can say one. Raises SchemaError."""
        if self._calls.version != 1:
            return None
        try:
            return need.window(self._reach(model), max(map(_context, self.copies.of(model)), default=None))
        except RoundhouseError as error:
            raise self._calls.named(error) from None

    def _fitting(self, model: str, window: int | None) -> Copy | None:
        """The copy that holds *window* and has least to do."""
        does = [each for each in self.copies.of(model) if window is None or not each.context or each.context >= window]
        return min(does, key=lambda copy: copy.busy, default=None)

    async def _join(self, model: str, context: int | None, keep_s: float | None) -> float:
        """Wait for the load that is under way, also when it waits for those who are at work, or begin one."""
        if not self._loads.is_under_way(model):
            self._aims[model] = context
        return await self._loads.join(model, lambda: self._load(model, context, keep_s))

    async def _load(self, model: str, context: int | None, keep_s: float | None) -> float:
        """Seconds that it took; ours that are too small make way, once nobody uses them. Raises RoundhouseError."""
        await self._find(model)
        if self._fitting(model, context) is not None:
            return 0.0
        started = self._clock.monotonic()
        if self._calls.version != 1:
            embeds = model in self._embedders or undeclared(model).capabilities == _EMBEDDER
            await self._calls.wake(model, keep_s, embeds=embeds)
            self.copies.loaded(model, model, None, None)
            return self._clock.monotonic() - started
        room = self._room(model)
        if context is not None and room is not None and context > room:
            message = f"{self._name}: there was no room for {model} with more than {room} tokens"
            raise CapacityError(message, hint="unload another model there, or ask for less")
        smaller = await self._make_way(model)
        loaded = await self._with_room(model, context, smaller)
        self.copies.loaded(model, loaded.instance, loaded.context, keep_s)
        return loaded.seconds or self._clock.monotonic() - started

    async def _make_way(self, model: str) -> int:
        """Let go of our copies of *model*, for LM Studio would load one more beside them; the context that they had."""
        smaller = 0
        for copy in [copy for copy in self.copies.of(model) if copy.is_ours]:
            await copy.idle.wait()
            smaller = max(smaller, _context(copy))
            await self._let_go(copy)
        return smaller

    async def _with_room(self, model: str, context: int | None, smaller: int) -> Loaded:
        """Load it; without room, once more when a copy of ours that is idle has gone. Raises RoundhouseError."""
        try:
            try:
                loaded = await self._calls.load(model, context)
            except CapacityError:
                spare = self.copies.spare()
                if spare is None:
                    raise
                await self._let_go(spare)
                loaded = await self._calls.load(model, context)
        except CapacityError:
            if smaller:
                self._cramp(model, smaller)
            raise
        if context is not None and loaded.context is not None and loaded.context < context:
            self._cramp(model, loaded.context)
        return loaded

    def _cramp(self, model: str, context: int) -> None:
        self._cramped[model] = (context, self._clock.monotonic() + _CRAMPED_S)

    async def _let_go(self, copy: Copy) -> None:
        """Unload one copy. Raises RoundhouseError."""
        self.copies.drop(copy)
        try:
            await self._calls.unload(copy.instance)
        except RoundhouseError as error:
            if not is_gone(error):
                self.copies.keep(copy)
                raise

    async def _tidy(self) -> None:
        """Let go of what nobody asked for; looked at again each time, for somebody may ask meanwhile."""
        while outstayed := self.copies.outstayed():
            await self._let_go(outstayed[0])

    async def _look(self) -> list[Known] | None:
        asked_at = self._clock.monotonic()
        known = await self._calls.known()
        self._has_looked = True
        if known is not None:
            self.copies.listed(known, asked_at)
            self._embedders = {model.key for model in known if model.capabilities == _EMBEDDER}
            self._largest = {model.key: tokens(model.traits.context_max) for model in known}
        return known

    def _looked(self, done: asyncio.Task[list[Known] | None]) -> None:
        """Forget that look; whoever waited for it has its error."""
        self._looking = None
        if not done.cancelled():
            done.exception()

    def _spawn(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[object]) -> None:
        """Forget *task*; whoever asks for the model meets the same error."""
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()


def _context(copy: Copy) -> int:
    return copy.context or 0
