"""The embedded runtime with the bundled model, and eyes on it. Knows nothing about the library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import psutil

from roundhouse.backends.llamacpp.loadable import LoadableModel, RuntimeLimits
from roundhouse.backends.llamacpp.runtime import LlamaCpp
from roundhouse.testing.children import Watched, children_with

NOISE_FILE = Path(str(files("roundhouse") / "assets" / "noise.gguf"))
NOISE = LoadableModel("noise", NOISE_FILE, NOISE_FILE.stat().st_size, 4096, "llama", has_chat_template=True)
#: Small, and one thread each: tests run side by side.
LIMITS = RuntimeLimits(memory=1 << 30, threads=1, context=512)


class Runtime(Watched[LlamaCpp]):
    """A backend ``local`` with these models."""

    def __init__(self, environ: Mapping[str, str], *models: LoadableModel, limits: RuntimeLimits = LIMITS) -> None:
        self.models = models or (NOISE,)
        super().__init__(
            lambda events: LlamaCpp("local", lambda: self.models, limits=limits, events=events, environ=environ)
        )


def noise_called(name: str) -> LoadableModel:
    """Return the bundled model under another name."""
    return replace(NOISE, name=name)


def children() -> list[psutil.Process]:
    """Every llama.cpp process that this process started and that lives."""
    return children_with("roundhouse.backends.llamacpp.server")
