"""Which copies LM Studio has in memory: one is loaded when it is needed, however many ask. Knows nothing about answers.

A copy that somebody else loaded is used, and never unloaded but by a person's word.
"""

from __future__ import annotations

import asyncio

from roundhouse.backends.kinds.lmstudio.calls import Calls
from roundhouse.backends.kinds.lmstudio.copies import Copies, Copy
from roundhouse.backends.kinds.lmstudio.facts import Known
from roundhouse.backends.kinds.loads import Loads
from roundhouse.core.clock import Clock
from roundhouse.core.errors import BackendError, CapacityError, NotFoundError
from roundhouse.core.inference import Capability

#: Seconds for which nobody looks again. Without a native API nobody can look, only have it answer, which costs.
_BELIEVED_S, _BLINDLY_BELIEVED_S = 2.0, 1800.0
_TRIES = 3


class Memory:
    """The memory of one LM Studio."""

    def __init__(self, name: str, calls: Calls, clock: Clock) -> None:
        self._name, self._calls, self._clock = name, calls, clock
        self.copies = Copies(clock)
        self._loads = Loads()
        self._looking: asyncio.Task[list[Known] | None] | None = None
        self._embedders: set[str] = set()

    def took(self, model: str) -> float | None:
        """Seconds that the last load of *model* took, if one was seen."""
        return self._loads.took(model)

    async def look(self) -> list[Known] | None:
        """What it has, asked once however many want to know; ``None``: nobody can look. Raises RoundhouseError."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(self._looked)
        return await asyncio.shield(self._looking)

    async def ready(self, model: str, *, embeds: bool = False) -> Copy:
        """A copy of *model*, loaded if there is none. Raises NotFoundError, CapacityError, BackendError."""
        if embeds:
            self._embedders.add(model)
        await self._confirm(model)
        for _ in range(_TRIES):
            found = self._fitting(model)
            if found is not None:
                return found
            await self._loads.join(model, lambda: self._load(model, None, None))
        message = f"{self._name}: {model} was loaded, and is gone again"
        raise BackendError(message, hint="what else is in memory there?")

    async def load(self, model: str, context: int | None, keep_s: float | None) -> float:
        """Bring it into memory as a person wants it; seconds it took. Raises NotFoundError, CapacityError."""
        await self.find(model)
        there = self.copies.of(model)
        if any(context is None or (copy.context or 0) >= context for copy in there):
            return 0.0
        if any(copy.busy for copy in there):
            message = f"{self._name}: {model} is answering, and would have to be loaded again for that context"
            raise CapacityError(message, hint="ask again when it is done")
        if there:
            await self.unload(model)
        return await self._loads.join(model, lambda: self._load(model, context, keep_s))

    async def unload(self, model: str) -> None:
        """Let go of all its copies. Raises NotFoundError, BackendError."""
        await self.find(model)
        if self._calls.version != 1:
            message = f"{self._name}: this version cannot unload when asked"
            raise BackendError(message, hint="update LM Studio to 0.4")
        for copy in self.copies.of(model):
            await self._calls.unload(copy.instance)
            self.copies.drop(copy)

    async def find(self, model: str) -> Known | None:
        """What is told of one model; ``None`` when nobody can look. Raises NotFoundError."""
        known = await self.look()
        if known is None:
            return None
        for each in known:
            if each.key == model:
                return each
        message = f"{self._name} has no model {model}"
        raise NotFoundError(message, hint="download it in LM Studio first", details={"backend": self._name})

    async def close(self) -> None:
        """Stop waiting for loads that nobody needs any more."""
        await self._loads.close()

    async def _confirm(self, model: str) -> None:
        """Look whether what is believed of *model* still holds, unless that was seen just now."""
        if not self.copies.of(model):
            return
        age = self.copies.age(model)
        if self._calls.version is not None:
            if age > _BELIEVED_S:
                await self.look()
        elif age > _BLINDLY_BELIEVED_S:
            for copy in self.copies.of(model):
                self.copies.drop(copy)

    def _fitting(self, model: str) -> Copy | None:
        return min(self.copies.of(model), key=lambda copy: copy.busy, default=None)

    async def _load(self, model: str, context: int | None, keep_s: float | None) -> float:
        await self.find(model)
        if context is None and self._fitting(model) is not None:
            return 0.0
        started = self._clock.monotonic()
        if self._calls.version == 1:
            loaded = await self._calls.load(model, context)
            self.copies.loaded(model, loaded.instance, loaded.context, keep_s)
            return loaded.seconds or self._clock.monotonic() - started
        await self._calls.wake(model, keep_s, embeds=model in self._embedders)
        self.copies.loaded(model, model, None, keep_s)
        return self._clock.monotonic() - started

    async def _look(self) -> list[Known] | None:
        asked_at = self._clock.monotonic()
        known = await self._calls.known()
        if known is not None:
            self.copies.listed(known, asked_at)
            self._embedders = {model.key for model in known if model.capabilities == {Capability.EMBEDDING}}
        return known

    def _looked(self, done: asyncio.Task[list[Known] | None]) -> None:
        """Forget that look; whoever waited for it has its error."""
        self._looking = None
        if not done.cancelled():
            done.exception()
