"""A supervised child process that runs llama.cpp: started, watched, stopped. Knows nothing about requests or memory."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Mapping

import msgspec
import structlog

from roundhouse.backends.llamacpp.config import ChildConfig, Greeting
from roundhouse.core.errors import BackendError

_log = structlog.get_logger("roundhouse.llamacpp")

_PROGRAM = "roundhouse.backends.llamacpp.server"
#: What a child may see of our environment: where things are and which devices to use, nothing that could be a secret.
_ALLOWED = frozenset({"PATH", "HOME", "LANG", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV"})
_ALLOWED_PREFIXES = ("LC_", "GGML_", "CUDA_", "HIP_", "ROCR_", "HSA_", "VK_", "OMP_", "PYTHONPATH")
_LAST_LINES, _LINE_BYTES = 40, 64 << 10
#: Time, severity and place, as llama.cpp puts before each line.
_LOG_PREFIX = re.compile(r"^[\d.]+ [A-Z] (?:\w+ +)?\w+: ")


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of *environ* that native code gets to see."""
    return {
        name: value
        for name, value in environ.items()
        if name.upper() in _ALLOWED or name.upper().startswith(_ALLOWED_PREFIXES)
    }


class Child:
    """One such process, alive or dead. Made by ``start``."""

    def __init__(self, config: ChildConfig, process: Process) -> None:
        self.address, self.gpu_layers = "", 0
        self._config = config
        self._process = process
        self._said: deque[str] = deque(maxlen=_LAST_LINES)
        self._listening = asyncio.create_task(self._listen(), name=f"stderr of {config.model}")
        #: Done when the process is gone.
        self.exited = asyncio.create_task(self._wait(), name=f"exit of {config.model}")

    @classmethod
    async def start(cls, config: ChildConfig, environ: Mapping[str, str], within_s: float) -> Child:
        """Start one and wait until it has loaded its model.

        Raises:
            BackendError: it could not, and why, as far as llama.cpp says.

        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", _PROGRAM),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=scrubbed(environ),
            limit=_LINE_BYTES,
            # Ctrl-C at the terminal is for us: we stop the children when the requests are through.
            start_new_session=True,
        )
        child = cls(config, process)
        try:
            async with asyncio.timeout(within_s):
                await child._greet()
        except TimeoutError as error:
            await child.stop()
            message = f"llama.cpp did not load {config.model} within {within_s:g} s"
            raise BackendError(message) from error
        except BaseException:
            await child.stop()
            raise
        return child

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it may still answer."""
        return self._process.returncode is None

    @property
    def ending(self) -> str:
        """How it ended, for people: ``killed by SIGSEGV``."""
        code = self._process.returncode
        if code is None:
            return "still running"
        if code >= 0:
            return f"exited with {code}"
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"

    @property
    def last_words(self) -> str:
        """What llama.cpp said was wrong; empty when it said nothing."""
        telling = [line for line in self._said if "error" in line.lower()]
        line = (telling or list(self._said) or [""])[0]
        return _LOG_PREFIX.sub("", line).replace(self._config.path, self._config.model)

    def kill(self) -> None:
        """End it at once; those who wait for it hear of that from ``exited``."""
        if self.is_alive:
            self._process.kill()

    async def stop(self, within_s: float = 2.0) -> None:
        """End it: politely, then not. Does nothing to one that is dead."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(within_s):
                await asyncio.shield(self.exited)
        except TimeoutError:
            self._process.kill()
        finally:
            if self.is_alive:
                self._process.kill()
            await asyncio.shield(self.exited)

    async def _greet(self) -> None:
        """Tell it what to load and wait until it says where it serves."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise await self._failed_to_load("it has no pipes")
        try:
            stdin.write(msgspec.json.encode(self._config) + b"\n")
            await stdin.drain()
            greeting = msgspec.json.decode(await stdout.readline(), type=Greeting)
        except (OSError, ValueError) as error:
            raise await self._failed_to_load("") from error
        if greeting.address is None:
            raise await self._failed_to_load(greeting.error or "")
        self.address, self.gpu_layers = greeting.address, greeting.gpu_layers

    async def _failed_to_load(self, said: str) -> BackendError:
        await self.stop()
        model = self._config.model
        reason = self.last_words or said or self.ending
        message = f"llama.cpp could not load {model}: {reason}"
        return BackendError(message, hint=f"check its files with `roundhouse models verify {model}`")

    async def _listen(self) -> None:
        """Keep the pipe empty and the last lines in mind."""
        stderr = self._process.stderr
        while stderr is not None:
            try:
                line = await stderr.readline()
            except ValueError:  # a line beyond the limit, which was dropped
                continue
            if not line:
                return
            text = line.decode("utf-8", "replace").rstrip()
            self._said.append(text)
            _log.debug("llama.cpp says", model=self._config.model, line=text)

    async def _wait(self) -> None:
        await self._process.wait()
        await self._listening
