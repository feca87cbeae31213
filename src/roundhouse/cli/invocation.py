"""One run of one command: its global options, its output, its settings and the server it talks to.

Knows nothing about nouns. Imports the server's stack only by name, and only when no server runs on the home.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from roundhouse.cli.client import Client, key_of, running
from roundhouse.cli.errors import coloured
from roundhouse.cli.output import Mode, Output
from roundhouse.core.clock import Clock, SystemClock
from roundhouse.settings import Settings, load
from roundhouse.settings.load import home_of


@dataclass(frozen=True, slots=True)
class Flags:
    """The options that every command has."""

    as_json: bool = False
    quiet: bool = False
    home: Path | None = None
    config: Path | None = None
    offline: bool = False
    debug: bool = False


class ServerRoom(Protocol):
    """What the command line needs of ``roundhouse.server``."""

    def run(self, settings: Settings, announce: Callable[[str], None]) -> int:
        """Serve until told to stop."""

    def in_process(self, settings: Settings) -> AbstractContextManager[str]:
        """Serve this process alone, on a socket whose path it gives."""


def server_room() -> ServerRoom:
    """Import the server, which costs seconds that most commands need not spend."""
    return cast("ServerRoom", importlib.import_module("roundhouse.server"))


class Invocation:
    """What a command has at hand."""

    def __init__(self, flags: Flags, environment: Mapping[str, str]) -> None:
        self.flags = flags
        self.environment = environment
        self.clock: Clock = SystemClock()
        self.home = home_of(flags.home, environment)
        self.out = output_for(flags, environment)
        self._resources = ExitStack()
        self._client: Client | None = None

    def settings(self, flags: Mapping[str, object] | None = None, *, file: Path | None = None) -> Settings:
        """Read the settings, with what the command line says on top. Raises ConfigError."""
        said = {"downloads.offline": True} if self.flags.offline else {}
        return load(
            home=self.flags.home,
            config=file or self.flags.config,
            flags={**said, **(flags or {})},
            environment=self.environment,
        )

    @property
    def url(self) -> str | None:
        """Where the server of this home listens; ``None`` when none runs."""
        return running(self.home)

    def client(self) -> Client:
        """Talk to the server of this home, or to one in this process. Raises ConfigError, ConflictError."""
        if self._client is None:
            where = self.url or self._start()
            self._client = Client(where, key_of(self.home))
        return self._client

    def _start(self) -> str:
        """Start a server for this command alone."""
        settings = self.settings()
        if not self.flags.debug and settings.provenance["log.level"].source == "default":
            settings = self.settings({"log.level": "error"})
        if self.out.stderr_tty:
            self.out.say("no Roundhouse runs on this home: starting one for this command …", style="dim")
        return self._resources.enter_context(server_room().in_process(settings))

    def close(self) -> None:
        """Stop what was started."""
        self._resources.close()


def output_for(flags: Flags, environment: Mapping[str, str]) -> Output:
    """Where and how to print."""
    stderr_tty = sys.stderr.isatty()
    return Output(
        mode=Mode.JSON if flags.as_json else Mode.QUIET if flags.quiet else Mode.HUMAN,
        stdout_tty=sys.stdout.isatty(),
        stderr_tty=stderr_tty,
        colour=stderr_tty and coloured(environment),
    )
