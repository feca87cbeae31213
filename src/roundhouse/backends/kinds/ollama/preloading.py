"""Models of one Ollama that are to be in memory before anybody asks. Knows nothing about how they are loaded.

Once each, and again after Ollama was started anew: what has left memory since then did so because somebody or its time
wanted it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Deployment, Residency

_log = structlog.get_logger("roundhouse.ollama")


class Preloading:
    """What is still to be loaded, and the task that loads it."""

    def __init__(
        self,
        models: Sequence[str],
        load: Callable[[str], Awaitable[float]],
        loaded: Callable[[Deployment], None],
    ) -> None:
        self._models, self._load, self._loaded = tuple(models), load, loaded
        self._pending = set(self._models)
        self._losses = 0
        self._version: str | None = None
        self._task: asyncio.Task[None] | None = None

    def look(self, listed: Sequence[Deployment], losses: int) -> None:
        """Load what is to be and is there; *losses* counts how often Ollama could not be reached until now."""
        if losses != self._losses:
            self._losses, self._pending = losses, set(self._models)
        if not self._pending or (self._task is not None and not self._task.done()):
            return
        found = {name: each for name in self._pending for each in listed if _is_called(each, name)}
        self._pending -= found.keys()
        # In their order; what runs in Ollama's cloud is never in memory.
        cold = [found[name] for name in self._models if name in found and found[name].residency is Residency.COLD]
        if cold:
            self._task = asyncio.get_running_loop().create_task(self._load_all(cold))

    def seen(self, version: str) -> None:
        """Ollama says which version it is; another than before was started since."""
        if self._version not in (None, version):
            self._pending = set(self._models)
        self._version = version

    async def close(self) -> None:
        """Stop loading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _load_all(self, deployments: Sequence[Deployment]) -> None:
        for each in deployments:
            try:
                await self._load(each.upstream)
            except RoundhouseError as error:
                _log.warning("cannot load a model beforehand", deployment=each.id, reason=error.message)
            else:
                self._loaded(each)


def _is_called(deployment: Deployment, name: str) -> bool:
    return name in (deployment.model, deployment.upstream) or deployment.upstream == f"{name}:latest"
