from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.settings import Settings


class Room:
    """A server that is up and gone at once."""

    def __init__(self) -> None:
        self.started: list[Settings] = []

    def run(self, settings: Settings, announce: Callable[[str], None]) -> int:
        """Note the settings, and say so."""
        self.started.append(settings)
        announce("up at http://127.0.0.1:1")
        return 0

    @contextmanager
    def in_process(self, settings: Settings) -> Iterator[str]:
        """Not needed here."""
        yield str(settings.home)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    """The server that commands get."""
    made = Room()
    monkeypatch.setattr("roundhouse.cli.commands.up.server_room", lambda: made)
    return made


def test_up_announces_on_stderr(run: Run, room: Room) -> None:
    """The first screen is talk."""
    outcome = run("up")
    assert (0, "", "up at http://127.0.0.1:1\n") == (outcome.code, outcome.out, outcome.err)
    assert 8484 == room.started[0].server.port


def test_host_and_port_are_flags(run: Run, room: Room) -> None:
    """The command line beats every other source, and shows as such."""
    run("serve", "--host", "127.0.0.2", "--port", "0")
    settings = room.started[0]
    assert ("127.0.0.2", 0) == (settings.server.host, settings.server.port)
    assert "flag --port" == str(settings.provenance["server.port"])


def test_offline_and_home_reach_the_server(run: Run, room: Room, tmp_path: Path) -> None:
    """Global options count for `up`, too."""
    run("up", "--offline", "--home", str(tmp_path / "other"))
    assert (True, tmp_path / "other") == (room.started[0].downloads.offline, room.started[0].home)


@pytest.mark.usefixtures("room")
def test_json_says_where(run: Run) -> None:
    """--json is one object once it is up."""
    assert {"url", "home"} == run("up", "--json").json.keys()
