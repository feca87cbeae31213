"""A child process that runs llama.cpp. Knows nothing about requests or memory."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import msgspec

from roundhouse.backends.children import child
from roundhouse.backends.children.child import Program, scrubbed
from roundhouse.backends.llamacpp.config import ChildConfig

_COMMAND = (sys.executable, "-P", "-m", "roundhouse.backends.llamacpp.server")


class Child(child.Child):
    """One such process, alive or dead. Made by ``start``."""

    @classmethod
    async def start(cls, config: ChildConfig, environ: Mapping[str, str], within_s: float) -> Child:
        """Start one and wait until it has loaded its model.

        Raises:
            BackendError: it could not, and why, as far as llama.cpp says.

        """
        order = msgspec.json.encode(config)
        extras = config.extras
        wished = [key for key, value in (("lora", extras.adapters), ("draft", extras.draft)) if value]
        program = Program(
            runtime="llama.cpp",
            command=_COMMAND,
            model=config.model,
            path=config.path,
            environ=scrubbed(environ),
            order=order,
            beside=tuple(extras.paths),
            settings=tuple(f"runtime.{key}" for key in wished),
        )
        return await cls.begin(program, within_s)
