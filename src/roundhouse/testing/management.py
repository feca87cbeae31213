"""A server for tests of the command line: the real management API over an in-memory Roundhouse, and a scripted chat.

Knows nothing about models. It holds a home as a real server does: lock, note and admin key.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from roundhouse.access.permissions import Role
from roundhouse.access.principal import Principal
from roundhouse.api import create_api
from roundhouse.core.errors import AuthError, RoundhouseError
from roundhouse.core.views import PullPlan, TransferView
from roundhouse.testing.management_service import InMemoryManagement

KEY = "rh-testtest-not-a-secret"
_HEADERS = [(b"x-roundhouse-model", b"acme/tiny:Q4_K_M"), (b"x-roundhouse-backend", b"local")]


@dataclass
class ScriptedManagement(InMemoryManagement):
    """An in-memory Roundhouse whose transfers go through the states that a test wrote down."""

    #: What ``GET /transfers/{id}`` answers, one after the other; the last one stays.
    steps: list[dict[str, Any]] = field(
        default_factory=lambda: [{"state": "done", "bytes_done": 100, "bytes_total": 100}]
    )
    #: An error that every transfer is refused with.
    refusal: RoundhouseError | None = None
    #: What the plan of a pull says otherwise.
    planned: dict[str, Any] = field(default_factory=dict)

    async def plan_pull(self, ref: str, name: str | None, *, by: str | None = None) -> PullPlan:
        """Plan what the test wants."""
        return replace(await super().plan_pull(ref, name, by=by), **self.planned)

    async def start_pull(self, ref: str, name: str | None, *, by: str | None = None) -> TransferView:
        """Start, or refuse."""
        if self.refusal is not None:
            raise self.refusal
        return await super().start_pull(ref, name, by=by)

    async def transfer(self, transfer_id: str) -> TransferView:
        """Go one step on."""
        known = await super().transfer(transfer_id)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        moved = replace(known, **step)
        self.pulls[self.pulls.index(known)] = moved
        return moved


@dataclass
class ScriptedChat:
    """``/v1/chat/completions`` that says what a test wrote down, and keeps what it was asked."""

    words: Sequence[str] = ("Hello", " there", ".")
    #: An error in OpenAI's shape: before the first word when *words* is empty, else after the last.
    error: dict[str, Any] | None = None
    status: int = 404
    #: The connection ends without a word of farewell.
    cut: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    #: What a stream waits for before its first word.
    comments: Sequence[str] = ("waiting",)

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = bytearray()
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        question = json.loads(body)
        self.asked.append(question)
        if self.error and not self.words:
            await _answer(send, self.status, json.dumps({"error": self.error}).encode())
        elif question.get("stream"):
            await self._stream(send)
        else:
            message = {"role": "assistant", "content": "".join(self.words)}
            await _answer(send, 200, json.dumps({"choices": [{"message": message}], "usage": self._usage()}).encode())

    async def _stream(self, send: Send) -> None:
        await _start(send, 200, b"text/event-stream")
        events: list[object] = [{"choices": [{"delta": {"content": word}}]} for word in self.words]
        events.append({"error": self.error} if self.error else {"choices": [], "usage": self._usage()})
        lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
        comments = [f": {comment}\n\n".encode() for comment in self.comments]
        for line in [*comments, *lines, *([] if self.cut else [b"data: [DONE]\n\n"])]:
            await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _usage(self) -> dict[str, int]:
        return {"prompt_tokens": 5, "completion_tokens": len(self.words)}


async def _start(send: Send, status: int, kind: bytes) -> None:
    headers = [(b"content-type", kind), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _answer(send: Send, status: int, content: bytes) -> None:
    await _start(send, status, b"application/json")
    await send({"type": "http.response.body", "body": content})


@dataclass
class FakeServer:
    """A running server and what it is made of."""

    home: Path
    url: str
    management: ScriptedManagement
    chat: ScriptedChat


class FakeHost:
    """A server that serves one home after the other; building the API once is what takes time."""

    def __init__(self, listener: socket.socket) -> None:
        self._url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._management, self._chat = ScriptedManagement(), ScriptedChat()
        self._serving = _Serving(_application(self._management, self._chat), listener)

    def __enter__(self) -> Self:
        self._serving.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._serving.stop()

    @contextmanager
    def serve(self, home: Path) -> Iterator[FakeServer]:
        """Serve *home*, fresh, while the context is open."""
        vars(self._management).update(vars(ScriptedManagement()))
        vars(self._chat).update(vars(ScriptedChat()))
        with _Held(home) as held:
            held.write_note(self._url)
            yield FakeServer(home, self._url, self._management, self._chat)


@contextmanager
def fake_host() -> Iterator[FakeHost]:
    """A host on a free loopback port while the context is open."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener, FakeHost(listener) as host:
        yield host


class _Held:
    """A home with a lock, a key and a note, as a real server has it."""

    def __init__(self, home: Path) -> None:
        self._run = home / "run"
        self._run.mkdir(parents=True, exist_ok=True)
        (home / "admin.key").write_text(KEY + "\n", encoding="ascii")

    def __enter__(self) -> Self:
        self._lock = (self._run / "lock").open("w", encoding="ascii")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        return self

    def write_note(self, url: str) -> None:
        """Say where the server listens."""
        (self._run / "server.json").write_text(json.dumps({"pid": os.getpid(), "url": url}), encoding="utf-8")

    def __exit__(self, *error: object) -> None:
        (self._run / "server.json").unlink(missing_ok=True)
        self._lock.close()


def _application(management: ScriptedManagement, chat: ScriptedChat) -> ASGIApp:
    api = create_api(management, _authenticate)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await (chat if scope["path"].startswith("/v1/") else api)(scope, receive, send)

    return application


def _authenticate(scope: Scope) -> Principal:
    """Know the owner by the key of the home, and let nobody else in."""
    if dict(scope["headers"]).get(b"authorization") == f"Bearer {KEY}".encode():
        return Principal("admin", Role.ADMIN)
    raise AuthError


class _Serving:
    """uvicorn in a thread."""

    def __init__(self, application: ASGIApp, listener: socket.socket) -> None:
        config = uvicorn.Config(application, lifespan="off", log_config=None, access_log=False, ws="none")
        self._server, self._listener = uvicorn.Server(config), listener
        self._thread = threading.Thread(target=self._run, name="fake-management")

    def start(self) -> None:
        """Serve; what arrives before the loop runs waits in the listener's queue."""
        self._thread.start()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))

    def stop(self) -> None:
        """Stop and wait."""
        self._server.should_exit = True
        self._thread.join()
