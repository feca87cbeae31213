"""The store of a house in memory: every backend but ``local`` has one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from roundhouse.core.desks.stores import Kept
from roundhouse.core.errors import BackendError, ConflictError, NotFoundError
from roundhouse.core.runtimes import PullStep
from roundhouse.core.views import BackendStatus


@dataclass
class InMemoryStores:
    """What backends keep."""

    runtimes: list[BackendStatus] = field(default_factory=list)
    #: Names by backend.
    kept: dict[str, set[str]] = field(default_factory=dict)

    async def pull_at(self, backend: str, model: str) -> AsyncGenerator[PullStep, None]:
        """Fetch in two steps; ``broken`` fails between them. Raises NotFoundError, ConflictError, BackendError."""
        store = self._store(backend)
        yield PullStep("pulling", 50, 100)
        if model == "broken":
            message = "the registry has fallen silent"
            raise BackendError(message)
        store.add(model)
        yield PullStep("success")

    async def delete_at(self, backend: str, model: str) -> Kept:
        """Delete. Raises NotFoundError, ConflictError."""
        store = self._store(backend)
        if model not in store:
            message = f"{backend} has no {model}"
            raise NotFoundError(message)
        store.remove(model)
        return Kept(backend, model)

    async def copy_at(self, backend: str, model: str, name: str) -> Kept:
        """Copy. Raises NotFoundError, ConflictError."""
        store = self._store(backend)
        if model not in store:
            message = f"{backend} has no {model}"
            raise NotFoundError(message)
        store.add(name)
        return Kept(backend, name)

    def _store(self, backend: str) -> set[str]:
        if backend not in {each.name for each in self.runtimes}:
            message = f"no backend {backend}"
            raise NotFoundError(message)
        if backend == "local":
            message = f"{backend} has no store of its own"
            raise ConflictError(message)
        return self.kept.setdefault(backend, set())
