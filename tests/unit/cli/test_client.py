import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.cli.answers import Models
from roundhouse.cli.client import Call, Client, path_of, running
from roundhouse.core.errors import (
    AuthError,
    DeadlineError,
    InternalError,
    NetworkError,
    NotFoundError,
    RoundhouseError,
)
from roundhouse.core.views import ModelDetail, Status
from roundhouse.testing.management import KEY, FakeServer
from roundhouse.testing.management_service import a_model


@pytest.fixture
def client(server: FakeServer) -> Client:
    """The command line's client, with the home's key."""
    return Client(server.url, KEY)


@pytest.fixture
def saying() -> Iterator[Callable[[bytes], str]]:
    """A loopback server that says these bytes to whoever asks, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(said: bytes) -> str:
        def once() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(said)

        threads.append(threading.Thread(target=once))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    for thread in threads:
        thread.join()
    listener.close()


def test_an_answer_is_typed_and_raw(server: FakeServer, client: Client) -> None:
    """Commands read values; --json prints what came."""
    server.management.catalog = [a_model("a/b:Q4")]
    reply = client.ask(Call("GET", "/models"), Models)
    assert "a/b:Q4" == reply.view.models[0].name
    assert isinstance(reply.data, dict)


def test_names_keep_slashes_and_colons(server: FakeServer, client: Client) -> None:
    """A model name stands in the path as it is, whatever it is made of."""
    server.management.catalog = [a_model("a/b c%:Q4")]
    assert "a/b c%:Q4" == client.ask(Call("GET", path_of("/models", "a/b c%:Q4")), ModelDetail).view.name


def test_a_refusal_is_the_error_it_is(client: Client) -> None:
    """The server's error is raised here, with its hint."""
    with pytest.raises(NotFoundError) as caught:
        client.ask(Call("GET", path_of("/models", "none")), ModelDetail)
    assert "list them with `roundhouse models ls`" == caught.value.hint


def test_without_the_key_nothing_is_known(server: FakeServer) -> None:
    """The key of the home is what lets a command in."""
    with pytest.raises(AuthError):
        Client(server.url).ask(Call("GET", "/models"), Models)


def test_an_answer_of_another_version_is_named_so(client: Client) -> None:
    """What does not fit the type is no crash."""
    with pytest.raises(InternalError, match="unexpected"):
        client.ask(Call("GET", "/models"), Status)


def test_nobody_there_is_a_network_error() -> None:
    """A refused connection is told as what it is."""
    with pytest.raises(NetworkError):
        Client("http://127.0.0.1:9").ask(Call("GET", "/models"), Models)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", NetworkError),
        (b"SSH-2.0-hello\r\n", NetworkError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}", NetworkError),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\noops", NetworkError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\noops", InternalError),
    ],
)
def test_what_is_no_roundhouse_is_an_error(
    saying: Callable[[bytes], str], said: bytes, error: type[RoundhouseError]
) -> None:
    """Silence, another protocol, half an answer and another web server all end in a sentence."""
    with pytest.raises(error):
        Client(saying(said)).ask(Call("GET", "/models"), Models)


def test_an_answer_that_does_not_come_is_a_timeout() -> None:
    """A command does not wait for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(DeadlineError):
            client.ask(replace(Call("GET", "/models"), timeout_s=0.05), Models)


def test_events_are_read_to_the_end(client: Client) -> None:
    """Comments are skipped, [DONE] ends."""
    call = Call("POST", "/v1/chat/completions", body={"stream": True})
    with client.events(call) as (headers, events):
        listed = [json.loads(event) for event in events]
    assert (4, "local") == (len(listed), headers["x-roundhouse-backend"])


def test_a_stream_that_is_cut_is_an_error(server: FakeServer, client: Client) -> None:
    """An answer without its end is not passed off as whole."""
    server.chat.cut = True
    with (
        client.events(Call("POST", "/v1/chat/completions", body={"stream": True})) as (_, events),
        pytest.raises(NetworkError, match="cut off"),
    ):
        list(events)


def test_a_running_server_is_found(server: FakeServer) -> None:
    """The note in the home says where it listens."""
    assert server.url == running(server.home)


def test_the_note_of_a_dead_server_is_not_believed(server: FakeServer) -> None:
    """When nobody holds the home's lock, the key is not sent to whoever has the port now."""
    note = (server.home / "run" / "server.json").read_text()
    dead = server.home.parent / "dead"
    (dead / "run").mkdir(parents=True)
    (dead / "run" / "server.json").write_text(note)
    (dead / "run" / "lock").write_text(str(os.getpid()))
    assert running(dead) is None


def test_a_note_of_another_process_than_the_lock_is_not_believed(server: FakeServer) -> None:
    """A command that works in process holds the lock, too, but listens nowhere."""
    (server.home / "run" / "server.json").write_text(json.dumps({"pid": 1, "url": server.url}))
    assert running(server.home) is None


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"pid": 1}'])
def test_half_a_note_is_none(tmp_path: Path, note: str) -> None:
    """A broken note is no server."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock").write_text("1")
    (tmp_path / "run" / "server.json").write_text(note)
    assert running(tmp_path) is None
