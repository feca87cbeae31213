"""Loads that several wait for: each is begun once, and who stops waiting does not stop it; and who is in use.

Knows no backend.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

from roundhouse.core.errors import ConflictError


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


class InUse:
    """Which models of one backend are answering us: runtimes that are told to unload them cut what they say."""

    def __init__(self, backend: str) -> None:
        self._backend = backend
        self._users: Counter[str] = Counter()

    @contextmanager
    def by_one(self, model: str) -> Iterator[None]:
        """While one request is answered by it."""
        self._users[model] += 1
        try:
            yield
        finally:
            self._users[model] -= 1

    def check(self, model: str, called: str | None = None) -> None:
        """Raise ConflictError while *model*, for people *called* so, is answering."""
        if self._users[model]:
            message = f"{self._backend}: {called or model} is in use"
            raise ConflictError(message, hint="try again when its requests are answered")
