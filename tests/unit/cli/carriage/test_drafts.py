from http.client import HTTPResponse
from pathlib import Path
from socket import socketpair

import pytest

from roundhouse.cli.carriage import unload, write_whole
from roundhouse.core.errors import DiskError, NetworkError


def answered(content: bytes, announced: int) -> HTTPResponse:
    """An answer that says how long it is, truly or not."""
    ours, theirs = socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (announced, content))
        theirs.close()
        response = HTTPResponse(ours)
        response.begin()
    return response


def test_a_body_becomes_a_file(tmp_path: Path) -> None:
    """When all of it is there; how far it is was told."""
    told: list[tuple[int, int]] = []
    with answered(b"hello", 5) as response:
        assert 5 == unload(response, tmp_path / "x", lambda *numbers: told.append(numbers))
    assert (b"hello", [(5, 5)]) == ((tmp_path / "x").read_bytes(), told)


def test_a_cut_body_leaves_the_old_file(tmp_path: Path) -> None:
    """And no draft."""
    (tmp_path / "x").write_bytes(b"old")
    with answered(b"hell", 5) as response, pytest.raises(NetworkError, match="4 of 5"):
        unload(response, tmp_path / "x", lambda *_: None)
    assert {"x": b"old"} == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_disk_without_room_is_told_before(tmp_path: Path) -> None:
    """Nothing is written then."""
    with answered(b"hell", 1 << 60) as response, pytest.raises(DiskError, match="are needed"):
        unload(response, tmp_path / "x", lambda *_: None)
    assert [] == list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """It is told as the disk's refusal."""
    with pytest.raises(DiskError, match="cannot write"):
        write_whole(tmp_path / "none" / "x", b"")
