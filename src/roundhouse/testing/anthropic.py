"""An Anthropic with its quirks: strict about every word, and failing after 200. Knows no real model.

It repeats what it is told. Held to the same contract suite as the real backends: ``async with FakeAnthropic() as it``.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from aiohttp import web

from roundhouse.testing.anthropic_rules import complaint
from roundhouse.testing.anthropic_shapes import NEWER, OLDER, OLDEST, Model, Said, events, said_of, whole
from roundhouse.testing.listening import Listening

KEY = "sk-ant-fake"
_VERSION = "2023-06-01"


class Fault(StrEnum):
    """Ways to fail, each once for the next message."""

    #: An error with its status before anything is said: see `FakeAnthropic.plan`.
    STATUS = "status"
    #: ``overloaded_error`` after the first word, under HTTP 200.
    ERROR_IN_STREAM = "error in stream"
    #: The connection is closed after the first word.
    CUT_IN_TEXT = "cut in text"
    #: The stream ends cleanly, with a reason, but without ``message_stop``.
    NO_STOP = "no stop"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that it answers with."""

    status: int
    type: str
    message: str = "planned failure"
    headers: tuple[tuple[str, str], ...] = ()


class CutError(Exception):
    """The connection is to be closed now."""


class FakeAnthropic(Listening):
    """One such account."""

    def __init__(self, *models: Model, key: str = KEY) -> None:
        super().__init__()
        self.models = {model.name: model for model in models or (NEWER, OLDER, OLDEST)}
        #: Keys by what is wrong with them.
        self.keys: dict[str, Failure | None] = {key: None}
        #: Bodies and headers of messages.
        self.seen: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        #: Questions for the list of models.
        self.listings: list[str] = []
        #: Models in one page of the list, however many are asked for.
        self.page_size = 2
        #: False for other servers with this API.
        self.has_list = True
        self.fired: Counter[Fault] = Counter()
        #: What it says instead of repeating; the fields that are given.
        self.saying: dict[str, Any] = {}
        #: Set when a client did not wait for the end.
        self.left = asyncio.Event()
        #: While it is not set, nothing comes after the first word.
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self._plan: deque[Fault | Failure] = deque()

    def add_routes(self, app: web.Application) -> None:
        """Its paths."""
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/messages", self._messages)

    def plan(self, *faults: Fault | Failure) -> None:
        """Let the next messages fail like that, one each."""
        self._plan.extend(faults)

    async def _list(self, request: web.Request) -> web.Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        if not self.has_list:
            raise web.HTTPNotFound
        self.listings.append(request.query_string)
        names = list(self.models)
        after = request.query.get("after_id")
        begin = names.index(after) + 1 if after else 0
        size = min(int(request.query.get("limit", 20)), self.page_size)
        page = names[begin : begin + size]
        return web.json_response({
            "data": [self.models[name].listed() for name in page],
            "has_more": begin + size < len(names),
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
        })  # fmt: skip

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.seen.append(body)
        self.headers.append(dict(request.headers))
        refusal = self._refusal(request) or self._planned() or self._wrong(body)
        if refusal is not None:
            return refusal
        said = replace(said_of(body), **self.saying)
        try:
            return await self._streamed(request, said) if body.get("stream") else web.json_response(whole(said))
        except CutError:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        except asyncio.CancelledError:
            self.left.set()
            raise

    def _refusal(self, request: web.Request) -> web.Response | None:
        """What is wrong with who asks."""
        if request.headers.get("anthropic-version") != _VERSION:
            return _error(Failure(400, "invalid_request_error", "anthropic-version: header is required"))
        key = request.headers.get("x-api-key", "")
        failure = self.keys.get(key, Failure(401, "authentication_error", f"invalid x-api-key: {key}"))
        return None if failure is None else _error(failure)

    def _planned(self) -> web.Response | None:
        if not self._plan or not isinstance(self._plan[0], Failure):
            return None
        failure = self._plan.popleft()
        assert isinstance(failure, Failure)  # noqa: S101 - looked at above
        self.fired[Fault.STATUS] += 1
        return _error(failure)

    def _wrong(self, body: dict[str, Any]) -> web.Response | None:
        """What is wrong with what is asked."""
        model = self.models.get(str(body.get("model")))
        if model is None or model.lifecycle == "retired":
            return _error(Failure(404, "not_found_error", f"model: {body.get('model')}"))
        wrong = complaint(body, model)
        return None if wrong is None else _error(Failure(400, "invalid_request_error", wrong))

    async def _streamed(self, request: web.Request, said: Said) -> web.StreamResponse:
        fault = self._plan.popleft() if self._plan else None
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        words = 0
        for event in events(said):
            due = words == 1 or event["type"] == "message_stop"
            if isinstance(fault, Fault) and due and await self._fails(response, fault, event):
                return response
            await response.write(encoded(event))
            if event["type"] == "content_block_delta":
                words += 1
                await self.may_go_on.wait()
        return response

    async def _fails(self, response: web.StreamResponse, fault: Fault, event: dict[str, Any]) -> bool:
        """Whether the stream ends here."""
        if (fault is Fault.NO_STOP) != (event["type"] == "message_stop"):
            return False
        self.fired[fault] += 1
        if fault is Fault.CUT_IN_TEXT:
            raise CutError
        if fault is Fault.ERROR_IN_STREAM:
            error = {"type": "overloaded_error", "message": "Overloaded"}
            await response.write(encoded({"type": "error", "error": error, "request_id": "req_01"}))
        return True


def encoded(event: dict[str, Any]) -> bytes:
    """One event as it is sent."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _error(failure: Failure) -> web.Response:
    error = {"type": failure.type, "message": failure.message}
    body = {"type": "error", "error": error, "request_id": "req_01"}
    return web.json_response(body, status=failure.status, headers=failure.headers)
