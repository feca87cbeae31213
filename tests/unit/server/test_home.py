"""The home folder belongs to one process at a time, and its note is whole or absent."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from roundhouse.core.errors import ConflictError, DiskError
from roundhouse.server import home

HOLD = """
import sys
from pathlib import Path
from roundhouse.server import home
with home.locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A home that is ready."""
    home.prepare(tmp_path / "home")
    return tmp_path / "home"


def test_the_home_is_for_this_user_alone(prepared: Path) -> None:
    """Nobody else can read the key, the database or the note."""
    assert prepared.stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_made_is_an_error_with_a_hint(tmp_path: Path) -> None:
    """A file in the way is told as such, with the option that helps."""
    (tmp_path / "home").write_text("in the way")
    with pytest.raises(DiskError) as caught:
        home.prepare(tmp_path / "home")
    assert "--home" in str(caught.value.hint)


@pytest.mark.slow
def test_a_held_home_is_refused_and_free_again_after_kill_9(prepared: Path) -> None:
    """The kernel lets go of the home with the process, however it ends."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(prepared)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConflictError, match=str(holder.pid)), home.locked(prepared):
            pass
        holder.kill()
    with home.locked(prepared):
        assert (prepared / "run" / "lock").read_text() == str(os.getpid())


def test_the_refusal_says_where_the_other_one_listens(prepared: Path) -> None:
    """Who finds the home taken learns the address to use instead."""
    home.write_note(prepared, "http://127.0.0.1:8484")
    with home.locked(prepared), pytest.raises(ConflictError, match="8484"), home.locked(prepared):
        pass


def test_the_note_says_who_and_where(prepared: Path) -> None:
    """A command finds the server by this note."""
    home.write_note(prepared, "http://127.0.0.1:1")
    assert home.read_note(prepared) == {"pid": os.getpid(), "url": "http://127.0.0.1:1"}
    home.remove_note(prepared)
    assert home.read_note(prepared) is None


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"pid": 1}), "\x00"])
def test_a_note_that_is_no_note_is_none(prepared: Path, content: str) -> None:
    """Half a note, or somebody's file, is not trusted."""
    (prepared / "run" / "server.json").write_text(content)
    assert home.read_note(prepared) is None
