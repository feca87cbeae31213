"""The embedded runtime with the bundled model, and eyes on it. Knows nothing about the library."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import psutil

from roundhouse.backends.llamacpp.loadable import LoadableModel, RuntimeLimits
from roundhouse.backends.llamacpp.runtime import LlamaCpp
from roundhouse.core.events import Event, Events, ResidencyChanged
from roundhouse.core.inference import Deployment

NOISE_FILE = Path(str(files("roundhouse") / "assets" / "noise.gguf"))
NOISE = LoadableModel("noise", NOISE_FILE, NOISE_FILE.stat().st_size, 4096, "llama", has_chat_template=True)
#: Small, and one thread each: tests run side by side.
LIMITS = RuntimeLimits(memory=1 << 30, threads=1, context=512)


class Runtime:
    """A backend ``local`` with these models; to be closed by ``backend.close()``."""

    def __init__(self, environ: Mapping[str, str], *models: LoadableModel, limits: RuntimeLimits = LIMITS) -> None:
        self.models = models or (NOISE,)
        self.events = Events()
        #: Every load and unload so far.
        self.changes: list[tuple[str, bool]] = []
        self._unread: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()
        self.events.subscribe(self._note)
        self.backend = LlamaCpp("local", lambda: self.models, limits=limits, events=self.events, environ=environ)

    async def change(self, within_s: float = 20.0) -> tuple[str, bool]:
        """Wait for the next load or unload that nobody waited for yet."""
        async with asyncio.timeout(within_s):
            return await self._unread.get()

    async def deployment(self, model: str = "noise") -> Deployment:
        """What the backend says about *model*."""
        return {each.model: each for each in await self.backend.deployments()}[model]

    def _note(self, event: Event) -> None:
        if isinstance(event, ResidencyChanged):
            self.changes.append((event.model, event.loaded))
            self._unread.put_nowait((event.model, event.loaded))


def noise_called(name: str) -> LoadableModel:
    """Return the bundled model under another name."""
    return replace(NOISE, name=name)


def children() -> list[psutil.Process]:
    """Every llama.cpp process that this process started and that lives."""
    return [each for each in psutil.Process().children() if _is_llamacpp(each)]


def _is_llamacpp(process: psutil.Process) -> bool:
    try:
        return "roundhouse.backends.llamacpp.server" in process.cmdline()
    except psutil.Error:
        return False
