"""A supervised child process that serves one model: started, watched, stopped. Knows nothing about requests."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, cast

import msgspec
import structlog

from roundhouse.backends.children.greeting import Greeting
from roundhouse.core.errors import BackendError

_log = structlog.get_logger("roundhouse.children")

#: What a child may see of our environment: where things are and which devices to use, nothing that could be a secret.
_ALLOWED = frozenset({"PATH", "HOME", "LANG", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV"})
_ALLOWED_PREFIXES = ("LC_", "GGML_", "CUDA_", "HIP_", "ROCR_", "HSA_", "VK_", "OMP_", "PYTHONPATH")
_LAST_LINES, _LINE_BYTES = 40, 64 << 10
#: How long a child that fell silent in the middle of a sentence gets to be found dead.
_AUTOPSY_S = 1.0
#: How long the last words of a dead child are waited for, when somebody else holds its pipe.
_LAST_WORDS_S = 1.0
_TELLING = re.compile(r"error|failed", re.IGNORECASE)
#: Time, severity and place, as runtimes put before each line.
_LOG_PREFIX = re.compile(r"^[\d.]+ [A-Z] (?:\w+ +)?\w+: ")


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of *environ* that native code gets to see."""
    return {
        name: value
        for name, value in environ.items()
        if name.upper() in _ALLOWED or name.upper().startswith(_ALLOWED_PREFIXES)
    }


@dataclass(frozen=True, slots=True)
class Program:
    """What is started, and how it is called when something is wrong with it."""

    #: The runtime in it, for people: ``llama.cpp``.
    runtime: str
    command: tuple[str, ...]
    #: The name of the model, and where it lies, which nobody is told.
    model: str
    path: str
    environ: Mapping[str, str] = field(repr=False)
    #: What it is told on standard input: one line of JSON.
    order: bytes = field(repr=False)
    #: Where it is started; ``None`` is where we are.
    folder: Path | None = None
    #: Where else it reads files, and the settings that say so.
    beside: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


class KilledError(BackendError):
    """The child was killed while it loaded its model."""


class _Watched(SubprocessStreamProtocol):
    """Tells that the process is gone although its pipes are open, which whatever it started may hold for ever."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=_LINE_BYTES, loop=loop)
        self.gone = asyncio.Event()
        self._at: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It runs."""
        super().connection_made(transport)
        self._at = cast(asyncio.SubprocessTransport, transport)

    def process_exited(self) -> None:
        """It does not run any more, and neither shall what it started."""
        self.kill()
        super().process_exited()
        self.gone.set()

    def kill(self) -> None:
        """End it with all it started: it has a session of its own."""
        # On macOS a group of which only the dead are left may not be killed.
        with suppress(ProcessLookupError, PermissionError):
            if self._at is not None:
                os.killpg(self._at.get_pid(), signal.SIGKILL)

    def let_go(self) -> None:
        """Close its pipes."""
        if self._at is not None:
            self._at.close()


class Child:
    """One such process, alive or dead. Made by ``begin``."""

    def __init__(self, program: Program, process: Process, watched: _Watched) -> None:
        self.address, self.gpu_layers = "", 0
        self.runtime = program.runtime
        self._program = program
        self._process, self._watched = process, watched
        self._said: deque[str] = deque(maxlen=_LAST_LINES)
        self._listening = asyncio.create_task(self._listen(), name=f"stderr of {program.model}")
        #: Done when the process is gone.
        self.exited = asyncio.create_task(self._wait(), name=f"exit of {program.model}")

    @classmethod
    async def begin(cls, program: Program, within_s: float) -> Self:
        """Start one and wait until it says where it serves.

        Raises:
            BackendError: it could not, and why, as far as its runtime says.

        """
        child = cls(program, *await _spawned(program))
        try:
            async with asyncio.timeout(within_s):
                await child._greet()
        except TimeoutError as error:
            await child.stop()
            message = f"{program.runtime} did not load {program.model} within {within_s:g} s"
            raise KilledError(message) from error
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
        """What its runtime said was wrong; empty when it said nothing."""
        return self._complaint or self._in_short(next(iter(self._said), ""))

    @property
    def _complaint(self) -> str:
        return self._in_short(next((line for line in self._said if _TELLING.search(line)), ""))

    def _in_short(self, line: str) -> str:
        for path in self._program.beside:
            line = line.replace(path, Path(path).name)
        return _LOG_PREFIX.sub("", line).replace(self._program.path, self._program.model)

    def kill(self) -> None:
        """End it at once; those who wait for it hear of that from ``exited``."""
        if self.is_alive:
            self._watched.kill()

    async def stop(self, within_s: float = 2.0) -> None:
        """End it: politely, then not. Does nothing to one that is dead."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(within_s):
                await asyncio.shield(self.exited)
        except TimeoutError:
            pass  # not politely, then
        finally:
            self.kill()
            await asyncio.shield(self.exited)

    async def _greet(self) -> None:
        """Tell it what to load and wait until it says where it serves."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise await self.failed_to_load("it has no pipes")
        try:
            stdin.write(self._program.order + b"\n")
            await stdin.drain()
            greeting = msgspec.json.decode(await stdout.readline(), type=Greeting)
        except (OSError, ValueError) as error:
            raise await self.failed_to_load("", broke_off=True) from error
        if greeting.address is None:
            raise await self.failed_to_load(greeting.error or "")
        self.address, self.gpu_layers = greeting.address, greeting.gpu_layers

    async def failed_to_load(self, said: str, *, broke_off: bool = False) -> BackendError:
        """End it, and say why it could not load its model: in its own last words, or as it *said*.

        One that *broke_off* in the middle is a KilledError when that was not its own doing.
        """
        was_killed = broke_off and await self._was_killed()
        await self.stop()
        model = self._program.model
        reason = (self._complaint or self.ending) if was_killed else (self.last_words or said or self.ending)
        message = f"{self.runtime} could not load {model}: {reason}"
        hint = f"check its files with `roundhouse models verify {model}`"
        kind = KilledError if was_killed else BackendError
        return kind(message, hint=" and ".join([hint, *(f"`{key}`" for key in self._program.settings)]))

    async def _was_killed(self) -> bool:
        await asyncio.wait({self.exited}, timeout=_AUTOPSY_S)
        return (self._process.returncode or 0) < 0

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
            _log.debug("a child says", runtime=self.runtime, model=self._program.model, line=text)

    async def _wait(self) -> None:
        await self._watched.gone.wait()
        # What it started may have left its group, and hold the pipe for as long as it likes.
        await asyncio.wait({self._listening}, timeout=_LAST_WORDS_S)
        self._listening.cancel()
        self._watched.let_go()


async def _spawned(program: Program) -> tuple[Process, _Watched]:
    """The process, with pipes to it. Raises BackendError when the system does not start it."""
    loop = asyncio.get_running_loop()
    try:
        transport, watched = await loop.subprocess_exec(
            lambda: _Watched(loop),
            *program.command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=program.environ,
            cwd=program.folder,
            # Ctrl-C at the terminal is for us: we stop the children when the requests are through.
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # the latter for what no command line or environment can hold
        reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        message = f"{program.runtime} could not be started for {program.model}: {reason}"
        raise BackendError(message, hint="see what is missing with `roundhouse doctor`") from error
    return Process(transport, watched, loop), watched
