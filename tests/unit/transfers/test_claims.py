import fcntl
import os
import socket
from pathlib import Path

import pytest

from roundhouse.transfers import claims
from roundhouse.transfers.claims import Claim


def test_the_first_has_the_name_and_the_second_another(tmp_path: Path) -> None:
    """Until the first gives it back."""
    first, second = Claim(tmp_path, "key"), Claim(tmp_path, "key")
    assert ("key", True, False) == (first.name, first.exclusive, second.exclusive)
    assert second.name.startswith("key@")
    first.release()
    assert Claim(tmp_path, "key").exclusive


def test_a_lock_that_always_succeeds_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some network file systems."""
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    first = Claim(tmp_path, "key")
    assert not Claim(tmp_path, "key").exclusive
    first.release()


@pytest.mark.parametrize("name", ["elsewhere 1 2", f"{socket.gethostname()} 999999999 5", "", "nonsense"])
def test_the_dead_hold_no_name(tmp_path: Path, name: str) -> None:
    """A process that was killed, here or in a container that is gone, leaves its file behind."""
    (tmp_path / "key.owner").write_text(name)
    assert Claim(tmp_path, "key").exclusive


def test_a_number_that_came_back_is_another_process(tmp_path: Path) -> None:
    """Told apart by when it began."""
    (tmp_path / "key.owner").write_text(f"{socket.gethostname()} {os.getpid()} 1")
    assert Claim(tmp_path, "key").exclusive


def test_a_number_of_before_the_machine_was_started_is_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers and ticks of the clock both begin anew with each start."""
    monkeypatch.setattr(claims, "BOOT", tmp_path / "boot")
    (tmp_path / "boot").write_text("one")
    first, owner = Claim(tmp_path, "key"), tmp_path / "key.owner"
    name = owner.read_text()
    first.release()
    owner.write_text(name)
    (tmp_path / "boot").write_text("two")
    assert Claim(tmp_path, "key").exclusive


def test_names_that_never_came_to_their_place_are_swept(tmp_path: Path) -> None:
    """A kill between writing a name and giving it its place leaves a file that nobody else removes."""
    (tmp_path / "key.owner.5f").touch()
    Claim(tmp_path, "key")
    assert ["key.owner"] == [path.name for path in tmp_path.iterdir()]


def test_what_the_dead_left_beside_is_swept(tmp_path: Path) -> None:
    """Nobody else would ever look for it; what the living work on stays."""
    first, second = Claim(tmp_path, "key"), Claim(tmp_path, "key")
    dead, living = tmp_path / f"key@{socket.gethostname()},999999999,5,x.part", tmp_path / f"{second.name}.part"
    dead.touch()
    living.touch()
    first.release()
    Claim(tmp_path, "key")
    assert (False, True) == (dead.exists(), living.exists())


def test_a_file_system_without_links_has_owners_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as those of memory cards."""

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    assert [True, False] == [Claim(tmp_path, "key").exclusive for _ in range(2)]
