"""A home with a running server, and the command line on that home."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from roundhouse.cli import main
from roundhouse.testing.management import FakeHost, FakeServer, fake_host


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """What it printed, as cells."""
        return [line.split("\t") for line in self.out.splitlines()]


Run = Callable[..., Outcome]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home that commands work on."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("ROUNDHOUSE_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def host() -> Iterator[FakeHost]:
    """The machine that servers run on."""
    with fake_host() as running:
        yield running


@pytest.fixture
def server(host: FakeHost, home: Path) -> Iterator[FakeServer]:
    """A server that runs on the home."""
    with host.serve(home) as running:
        yield running


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command in this process."""
    assert home.exists()

    def command(*words: str) -> Outcome:
        capsys.readouterr()
        code = main(words)
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return command
