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
        program = Program("llama.cpp", _COMMAND, config.model, config.path, scrubbed(environ), order)
        return await cls.begin(program, within_s)
