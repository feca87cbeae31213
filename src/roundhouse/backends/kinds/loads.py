"""Loads that several wait for: each is begun once, and who stops waiting does not stop it. Knows no backend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine


class Loads:
    """The loads of one backend that are under way, and how long the last of each took."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[float]] = {}
        self._seconds: dict[str, float] = {}

    async def join(self, model: str, begin: Callable[[], Coroutine[None, None, float]]) -> float:
        """Wait for the load of *model*, which is begun if it is not under way; seconds it took."""
        load = self._under_way.get(model)
        if load is None:
            load = asyncio.create_task(begin())
            self._under_way[model] = load
            load.add_done_callback(lambda done: self._done(model, done))
        return await asyncio.shield(load)

    def is_under_way(self, model: str) -> bool:
        """Whether *model* is being loaded."""
        return model in self._under_way

    def took(self, model: str) -> float | None:
        """Seconds that the last load of *model* took, if one was seen."""
        return self._seconds.get(model)

    async def close(self) -> None:
        """Stop waiting for those that nobody needs any more."""
        loads = list(self._under_way.values())
        for load in loads:
            load.cancel()
        await asyncio.gather(*loads, return_exceptions=True)

    def _done(self, model: str, load: asyncio.Task[float]) -> None:
        self._under_way.pop(model, None)
        if not load.cancelled() and load.exception() is None and load.result():
            self._seconds[model] = load.result()
