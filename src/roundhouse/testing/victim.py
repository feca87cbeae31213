"""A program in a process of its own, to be killed in the middle of things."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


class Victim:
    """A running Python script, read line by line."""

    def __init__(self, script: Path, *arguments: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - a script of the tests
            [sys.executable, str(script), *arguments], stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def lines(self) -> Iterator[str]:
        """Give what it says, as it says it, until it has ended."""
        if self._process.stdout is not None:
            for line in self._process.stdout:
                yield line.rstrip("\n")

    def kill(self) -> None:
        """Send SIGKILL: nothing of it runs any more, not even its clean-up."""
        self._process.send_signal(signal.SIGKILL)

    def end(self) -> int:
        """Wait for its end and return its exit status, negative for a signal."""
        if self._process.stdout is not None:
            self._process.stdout.close()
        return self._process.wait(30)
