"""The gateway as an ASGI app, and somebody who calls it without a socket."""

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from roundhouse.access.principal import LOCAL_USER, Principal
from roundhouse.core.inference import Chunk
from roundhouse.gateway import Gateway, Limits, ModelEntry
from roundhouse.gateway.asgi import Message, Scope
from roundhouse.gateway.vigil import Patience
from roundhouse.testing.serving import ScriptedServing

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}]}


def piece(text: str = "x", *, final: bool = False) -> Chunk:
    """A chunk with some text in it."""
    delta = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop" if final else None}]}
    return Chunk(json.dumps(delta).encode(), visible=True, final=final)


class Names:
    """Two models."""

    entries = (ModelEntry("tiny", 1700000000, "roundhouse"), ModelEntry("owner/repo:Q4_K_M", 1700000001, "fake"))

    def listed(self) -> Sequence[ModelEntry]:
        """Both."""
        return self.entries

    def find(self, name: str) -> ModelEntry | None:
        """One of them."""
        return next((entry for entry in self.entries if entry.id == name), None)


@dataclass
class Reply:
    """What came back."""

    messages: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        """The status."""
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        """The headers; a doubled one would be an error of ours."""
        pairs = [(name.decode(), value.decode()) for name, value in self.messages[0]["headers"]]
        assert len(pairs) == len(dict(pairs))
        return dict(pairs)

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(message["body"] for message in self.messages[1:])

    @property
    def json(self) -> Any:
        """As an object."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The envelope's content."""
        found: dict[str, Any] = self.json["error"]
        return found

    @property
    def events(self) -> list[str]:
        """The data of each event; comments as they are."""
        blocks = self.body.decode().split("\n\n")
        assert blocks.pop() == ""
        return [block.removeprefix("data: ") for block in blocks]


@dataclass
class Caller:
    """A client whose side of the connection a test writes down."""

    app: Gateway
    #: Messages that ``receive`` gives before it waits.
    inbox: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    #: Called with every message that is sent.
    on_send: Callable[[Message], None] = lambda _message: None

    def leave(self) -> None:
        """Hang up."""
        self.inbox.put_nowait({"type": "http.disconnect"})

    async def ask(
        self,
        path: str = "/v1/chat/completions",
        body: object = CHAT,
        *,
        method: str = "POST",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> Reply:
        """Send one request and collect the answer."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.inbox.put_nowait({"type": "http.request", "body": content, "more_body": False})
        return await self.send(path, method=method, headers=headers)

    async def send(self, path: str, *, method: str = "POST", headers: Sequence[tuple[bytes, bytes]] = ()) -> Reply:
        """Send a request whose body a test has put into the inbox itself."""
        reply = Reply()

        async def send(message: Message) -> None:
            reply.messages.append(message)
            self.on_send(message)

        scope: Scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
        await self.app(scope, self.inbox.get, send)
        return reply


@pytest.fixture
def serving() -> ScriptedServing:
    """Whoever serves."""
    return ScriptedServing()


@pytest.fixture
def principal() -> Principal:
    """Whoever asks."""
    return LOCAL_USER


@pytest.fixture
def caller(serving: ScriptedServing, principal: Principal) -> Caller:
    """A client of a gateway that is quick to look after it."""
    numbers = itertools.count(1)
    return Caller(
        Gateway(
            serving,
            lambda _scope: principal,
            Names(),
            lambda: f"req-{next(numbers)}",
            limits=Limits(body=4096, receive_s=0.05, discard=8000, discard_s=0.05),
            patience=Patience(watch_after=0.0, keep_alive=0.01),
        )
    )
