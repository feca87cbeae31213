"""Google's API for Gemini with its quirks: pages, pretty answers, zeros left out, errors of its own shape.

It repeats what it is told. Held to the same contract suite as the real backends, as ``async with FakeGemini() as it``.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aiohttp import web

from roundhouse.testing.gemini_shapes import (
    CHATTER,
    EMBEDDER,
    THINKER,
    USELESS,
    Model,
    RefusedError,
    check,
    limited,
    logprobs,
    said,
    unknown_key,
    vectors,
)
from roundhouse.testing.listening import Listening

_REGION = "User location is not supported for the API use."
_FILE = "You do not have permission to access the File abc or it may not exist."


class Fault(StrEnum):
    """Ways to fail, each once for the next request that works."""

    LIMITED = "limited"
    NO_CREDIT = "no credit"
    #: The key may not use this; and a file of the request may not be used with this key, with the same status.
    FORBIDDEN = "forbidden"
    FOREIGN_FILE = "foreign file"
    #: The region is not served without billing, which is a 400.
    REGION = "region"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"
    TOO_SLOW = "too slow"
    #: The prompt is blocked: 200, and no candidates.
    BLOCKED = "blocked"
    #: What it says is stopped for what it says.
    UNSAFE = "unsafe"
    #: It calls a tool in a way that cannot be read.
    MALFORMED = "malformed"
    #: It ends at once, and without any parts.
    EMPTY = "empty"
    #: An error under HTTP 200: as the answer, or as an event after the first word.
    ERROR_IN_ANSWER = "error in answer"
    #: A stream that is refused, with the error inside a list and HTTP 200.
    LIST_OF_ERRORS = "list of errors"
    #: The stream ends cleanly without a reason; the connection is closed after the first word.
    NO_REASON = "no reason"
    CUT_IN_TEXT = "cut in text"


_STATUSES = {
    Fault.NO_CREDIT: (402, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."),
    Fault.FORBIDDEN: (403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key."),
    Fault.FOREIGN_FILE: (403, "PERMISSION_DENIED", _FILE),
    Fault.REGION: (400, "FAILED_PRECONDITION", _REGION),
    Fault.OVERLOADED: (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    Fault.INTERNAL: (500, "INTERNAL", "An internal error has occurred."),
    Fault.TOO_SLOW: (504, "DEADLINE_EXCEEDED", "The request timed out. Please try again."),
}
_REASONS = {Fault.UNSAFE: "SAFETY", Fault.MALFORMED: "MALFORMED_FUNCTION_CALL"}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request."""

    path: str
    query: dict[str, str]
    key: str | None
    body: dict[str, Any]


class FakeGemini(Listening):
    """One such server."""

    def __init__(self, *models: Model, keys: Collection[str] = (), page: int = 50) -> None:
        super().__init__()
        self.models = {model.name: model for model in models or (CHATTER, THINKER, EMBEDDER, *USELESS)}
        #: Which keys it knows; without any it knows all.
        self.keys = set(keys)
        #: Models in one page of the list at most.
        self.page = page
        #: What stands in the place of the list, if not that.
        self.rubbish: str | None = None
        self.seen: list[Seen] = []
        self.fired: Counter[Fault] = Counter()
        #: Set when a client did not wait for the end.
        self.left = asyncio.Event()
        #: While it is not set, nothing comes after the first word.
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self._plan: deque[Fault] = deque()

    def add_routes(self, app: web.Application) -> None:
        """Its paths."""
        app.router.add_get("/v1beta/models", self._list)
        app.router.add_post("/v1beta/models/{model}:{method}", self._post)

    def plan(self, *faults: Fault) -> None:
        """Let the next requests fail like that, one each."""
        self._plan.extend(faults)

    def bodies(self) -> list[dict[str, Any]]:
        """What was sent, but for questions about the list."""
        return [seen.body for seen in self.seen if seen.body]

    def _note(self, request: web.Request, body: dict[str, Any]) -> None:
        """Remember the request; refuse a key that nobody knows. Raises RefusedError."""
        key = request.headers.get("x-goog-api-key")
        self.seen.append(Seen(request.path, dict(request.query), key, body))
        if self.keys and key not in self.keys:
            raise unknown_key()

    async def _list(self, request: web.Request) -> web.Response:
        try:
            self._note(request, {})
        except RefusedError as refused:
            return _pretty(refused.body, refused.code)
        if self.rubbish is not None:
            return web.Response(text=self.rubbish)
        models = list(self.models.values())
        begin = int(request.query.get("pageToken") or 0)
        end = begin + min(int(request.query.get("pageSize") or 50), self.page)
        listed: dict[str, Any] = {"models": [model.listed() for model in models[begin:end]]}
        return _pretty({**listed, "nextPageToken": str(end)} if end < len(models) else listed)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        method = request.match_info["method"]
        try:
            self._note(request, body)
            model = self.models.get(request.match_info["model"])
            if model is None:
                name = f"models/{request.match_info['model']}"
                message = f"{name} is not found for API version v1beta, or is not supported for {method}."
                raise RefusedError(404, "NOT_FOUND", message)  # noqa: TRY301 - as all it refuses
            fault = self._next()
            if method == "batchEmbedContents":
                return _pretty(vectors(model, body))
            check(model, body)
            if method == "generateContent":
                return _pretty(_whole(model, body, fault))
            return await self._streamed(request, _events(model, body, fault), fault)
        except RefusedError as refused:
            # A stream without alt=sse would be a list, and so would its error.
            return _pretty(refused.body, refused.code)
        except asyncio.CancelledError:
            self.left.set()
            raise

    def _next(self) -> Fault | None:
        """The next planned fault. Raises RefusedError if it is one of those."""
        if not self._plan:
            return None
        fault = self._plan.popleft()
        self.fired[fault] += 1
        if fault is Fault.LIMITED:
            raise limited()
        if fault in _STATUSES:
            raise RefusedError(*_STATUSES[fault])
        return fault

    async def _streamed(
        self, request: web.Request, events: list[dict[str, Any]], fault: Fault | None
    ) -> web.StreamResponse:
        if fault is Fault.LIST_OF_ERRORS:
            return _pretty([RefusedError(*_STATUSES[Fault.OVERLOADED]).body])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number, event in enumerate(events):
            if number == 1:
                await self.may_go_on.wait()
                if fault is Fault.CUT_IN_TEXT and request.transport is not None:
                    request.transport.abort()
                    return response
                if fault is Fault.ERROR_IN_ANSWER:
                    event = RefusedError(*_STATUSES[Fault.OVERLOADED]).body  # noqa: PLW2901 - it comes instead
            await response.write(b"data: " + json.dumps(event).encode() + b"\r\n\r\n")
            if "error" in event:
                return response
        return response


def _whole(model: Model, body: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
    """One answer; of several candidates all say the same."""
    if fault is Fault.ERROR_IN_ANSWER:
        return RefusedError(*_STATUSES[Fault.INTERNAL]).body
    events = _events(model, body, fault)
    last = events[-1]
    if not last.get("candidates"):
        return last
    config = body.get("generationConfig", {})
    parts = [part for event in events for part in event["candidates"][0].get("content", {}).get("parts", ())]
    candidate: dict[str, Any] = {"finishReason": last["candidates"][0].get("finishReason")}
    if parts:
        candidate["content"] = {"parts": _joined(parts), "role": "model"}
    if config.get("responseLogprobs"):
        candidate["logprobsResult"] = logprobs([part["text"] for part in parts])
    several = [
        {**candidate, "index": index} if index else candidate for index in range(config.get("candidateCount", 1))
    ]
    return {"candidates": several, "usageMetadata": last["usageMetadata"], "modelVersion": model.name}


def _joined(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Words that follow each other as one part, as a whole answer has them."""
    joined: list[dict[str, Any]] = []
    for part in parts:
        if joined and "text" in part and joined[-1].keys() == part.keys() == {"text"}:
            joined[-1] = {"text": joined[-1]["text"] + part["text"]}
        else:
            joined.append(part)
    return joined


def _events(model: Model, body: dict[str, Any], fault: Fault | None) -> list[dict[str, Any]]:
    """The events of an answer; each counts all tokens up to it, and what is zero is left out."""
    spoken, usage = said(model, body)
    if fault is Fault.BLOCKED:
        tokens = {"promptTokenCount": usage["promptTokenCount"]}
        return [{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": tokens}]
    if fault in (Fault.EMPTY, Fault.MALFORMED):
        spoken = [[]]
    events: list[dict[str, Any]] = []
    for number, parts in enumerate(spoken, start=1):
        content = {"content": {"parts": parts, "role": "model"} if parts else {"role": "model"}}
        counted = {**usage, "candidatesTokenCount": min(number, usage["candidatesTokenCount"])}
        kept = {name: count for name, count in counted.items() if count}
        events.append({"candidates": [content], "usageMetadata": kept, "modelVersion": model.name})
    if fault is not Fault.NO_REASON:
        limit = body.get("generationConfig", {}).get("maxOutputTokens", len(spoken) + 1)
        usual = "MAX_TOKENS" if usage["candidatesTokenCount"] >= limit else "STOP"
        events[-1]["candidates"][0]["finishReason"] = _REASONS.get(fault, usual) if fault else usual
    return events


def _pretty(body: object, status: int = 200) -> web.Response:
    return web.json_response(text=json.dumps(body, indent=2), status=status)
