"""HTTP to the server of a home, by TCP or by a private socket, with nothing but the standard library.

Knows nothing about commands and output.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from roundhouse.cli.carriage import Cargo, load
from roundhouse.cli.errors import rebuilt
from roundhouse.core.errors import DeadlineError, InternalError, NetworkError, RoundhouseError

T = TypeVar("T")
#: The management API.
API = "/api/v1"
TIMEOUT_S = 60.0
#: Reading every byte of a large model, or waiting for a model to load, takes its time.
PATIENT_S = 3600.0
_SUCCESS = range(200, 300)
_RESTART = "see whether it still runs with `roundhouse doctor`, start it with `roundhouse up`"


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """An answer: as typed values, and as the JSON that came."""

    view: T
    data: object


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    method: str
    path: str
    query: Mapping[str, object] | None = None
    body: Mapping[str, object] | None = None
    timeout_s: float = TIMEOUT_S

    @property
    def target(self) -> str:
        """Path and query as they go over the wire."""
        pairs = {key: value for key, value in (self.query or {}).items() if value is not None}
        return self.path + (f"?{urlencode(pairs, doseq=True)}" if pairs else "")


def path_of(path: str, name: str, rest: str = "") -> str:
    """Make a path with a name in it: model names keep their slashes and colons."""
    return f"{path}/{quote(name, safe='/:@')}{rest}"


def running(home: Path) -> str | None:
    """Where the server of *home* listens; ``None`` when none runs.

    A note that a killed server left behind is told apart by the home's lock, which the kernel lets go of: the key
    must not be sent to whoever listens on that port now.
    """
    try:
        note = json.loads((home / "run" / "server.json").read_text(encoding="utf-8"))
        owner = (home / "run" / "lock").read_text(encoding="ascii").strip()
        return str(note["url"]) if str(note["pid"]) == owner and _held(home / "run" / "lock") else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def key_of(home: Path) -> str | None:
    """The admin key of the home, when this user may read it."""
    try:
        return (home / "admin.key").read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _held(lock: Path) -> bool:
    """Whether a process holds the lock."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True, slots=True)
class Client:
    """The server of one home."""

    #: An http(s) address, or the path of a socket.
    where: str
    key: str | None = None

    def ask(self, call: Call, answer: type[T]) -> Reply[T]:
        """Ask the management API. Raises the error that the server tells, NetworkError, DeadlineError."""
        return self.send(call, None, answer)

    def send(self, call: Call, cargo: Cargo | None, answer: type[T]) -> Reply[T]:
        """Ask the management API with a body that comes piece by piece. Raises as ``ask`` does."""
        with self._exchange(call, API, cargo) as response:
            content = _content(response, call)
        try:
            return Reply(msgspec.json.decode(content, type=answer), json.loads(content))
        except (msgspec.DecodeError, ValueError) as error:
            message = f"{call.method} {API}{call.path} was answered with something unexpected: {error}"
            hint = "server and command may be of different versions: restart the server"
            raise InternalError(message, hint=hint) from error

    def whole(self, call: Call) -> tuple[Mapping[str, str], object]:
        """Ask the model-facing API for one answer: headers and JSON. Raises as ``ask`` does."""
        with self._exchange(call, "") as response:
            return _headers(response), _parsed(_content(response, call))

    @contextmanager
    def raw(self, call: Call) -> Iterator[http.client.HTTPResponse]:
        """Ask the management API for an answer of any size. Raises as ``ask`` does, also when it is cut while read."""
        with self._exchange(call, API) as response, _translated(call):
            yield response

    @contextmanager
    def events(
        self, call: Call, remark: Callable[[str], None] | None = None
    ) -> Iterator[tuple[Mapping[str, str], Iterator[str]]]:
        """Ask the model-facing API for a stream: the headers, and the data of each event. Raises as ``ask`` does.

        *remark* hears the comments in it, which say what the answer waits for.
        """
        with self._exchange(call, "") as response:
            yield _headers(response), _events(response, call, remark or _unheard)

    @contextmanager
    def _exchange(self, call: Call, prefix: str, cargo: Cargo | None = None) -> Iterator[http.client.HTTPResponse]:
        connection = self._connection(call.timeout_s)
        try:
            with _translated(call):
                if cargo is None:
                    body = None if call.body is None else json.dumps(call.body).encode()
                    connection.request(call.method, prefix + call.target, body, self._sent(body))
                else:
                    self._ship(connection, call, prefix, cargo)
                response = connection.getresponse()
            if response.status not in _SUCCESS:
                raise _failure(response.status, _content(response, call))
            yield response
        finally:
            connection.close()

    def _ship(self, connection: http.client.HTTPConnection, call: Call, prefix: str, cargo: Cargo) -> None:
        """Send a request whose body comes piece by piece; a server that hung up may have said why."""
        headers = self._sent(None) | {"content-type": cargo.kind, "transfer-encoding": "chunked"}
        body = load(connection, cargo.chunks)
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request(call.method, prefix + call.target, body, headers, encode_chunked=True)

    def _sent(self, body: bytes | None) -> dict[str, str]:
        """The headers of a request."""
        headers = {"accept": "application/json, text/event-stream", "user-agent": "roundhouse-cli"}
        if body is not None:
            headers["content-type"] = "application/json"
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        return headers

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        if self.where.startswith("/"):
            return _SocketConnection(self.where, timeout_s)
        parts = urlsplit(self.where)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=timeout_s)


@contextmanager
def _translated(call: Call) -> Iterator[None]:
    """Turn what the standard library raises into errors of ours."""
    try:
        yield
    except TimeoutError as error:
        message = f"no answer from Roundhouse within {call.timeout_s:.0f} s"
        raise DeadlineError(message, hint=_RESTART) from error
    except (OSError, http.client.HTTPException) as error:
        message = f"the connection to Roundhouse was lost: {str(error) or type(error).__name__}"
        raise NetworkError(message, hint=_RESTART) from error


def _content(response: http.client.HTTPResponse, call: Call) -> bytes:
    with _translated(call):
        return response.read()


def _headers(response: http.client.HTTPResponse) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _parsed(content: bytes) -> object:
    try:
        return json.loads(content)
    except ValueError as error:
        message = "Roundhouse answered with something that is not JSON"
        raise InternalError(message) from error


def _failure(status: int, content: bytes) -> RoundhouseError:
    """The error in an answer that is no success."""
    try:
        said = json.loads(content)["error"]
    except (ValueError, KeyError, TypeError):
        said = None
    if not isinstance(said, dict):
        return NetworkError(f"what listens there is not Roundhouse: it answered {status}", hint=_RESTART)
    return rebuilt(said, status)


def _unheard(_comment: str) -> None:
    """Nobody wants to know."""


def _events(response: http.client.HTTPResponse, call: Call, remark: Callable[[str], None]) -> Iterator[str]:
    """The data of each server-sent event up to ``[DONE]``. Raises NetworkError when the stream ends before."""
    data: list[str] = []
    while True:
        with _translated(call):
            line = response.readline()
        if not line:
            message = "the answer was cut off"
            raise NetworkError(message, hint=_RESTART)
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text.startswith("data:"):
            data.append(text.removeprefix("data:").removeprefix(" "))
        elif text.startswith(":"):
            remark(text.removeprefix(":").strip())
        elif not text and data:
            event, data = "\n".join(data), []
            if event == "[DONE]":
                return
            yield event
