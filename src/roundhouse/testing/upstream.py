"""A backend that speaks OpenAI's dialect, repeats what it is told, and fails on request. Knows no model.

Held to the same contract suite as the real ones. In process as ``async with Upstream() as upstream``, or as a program
of its own that can be killed: ``python -m roundhouse.testing.upstream`` prints its address as one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import struct
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from types import TracebackType
from typing import Any

from aiohttp import web

from roundhouse.testing.listening import Listening
from roundhouse.testing.openai_shapes import Saying, chat_answer, chat_chunks, completion_answer, completion_chunks


class Fault(StrEnum):
    """Ways to fail."""

    #: Answer with a status of an error.
    STATUS = "status"
    #: Close the connection instead of answering.
    CUT = "cut"
    #: Close it before the first word of a stream, after its first chunk.
    CUT_BEFORE_TEXT = "cut before text"
    #: Close it in the middle of the words.
    CUT_IN_TEXT = "cut in text"
    #: Say nothing at all until ``release`` is set.
    STALL = "stall"
    #: Say nothing more after the first word.
    STALL_IN_TEXT = "stall in text"
    #: An error object in a stream that began with 200, before any text.
    ERROR_IN_STREAM = "error in stream"
    #: End cleanly without a finish reason or ``[DONE]``.
    NO_END = "no end"
    #: ``[DONE]`` without a finish reason.
    NO_FINISH = "no finish"
    #: Something that is no JSON, with status 200.
    NOT_JSON = "not json"


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault for one of the next requests."""

    fault: Fault
    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b'{"error":{"message":"planned failure","type":"server_error","param":null,"code":null}}'


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class CutError(Exception):
    """The connection is to be closed now."""


class Upstream(Listening):
    """One such server."""

    def __init__(
        self, *, models: Sequence[str] = ("echo",), api_key: str | None = None, floats_only: bool = False, port: int = 0
    ) -> None:
        self.models = tuple(models)
        self.seen: list[Seen] = []
        #: How often each fault really happened: a fault test asserts it.
        self.fired: Counter[Fault] = Counter()
        #: Answers that the client did not wait for.
        self.abandoned = 0
        #: Ports of the clients' connections.
        self._connections: set[int] = set()
        self.changed = asyncio.Condition()
        #: Lets stalled answers go on.
        self.release = asyncio.Event()
        #: By key, headers that its answers have.
        self.headers: dict[str, dict[str, str]] = {}
        #: Seconds between two chunks of a stream.
        self.pace_s = 0.0
        self._api_key = api_key
        self._floats_only = floats_only
        super().__init__(port)
        self._plan: deque[Planned] = deque()
        #: Connections on which something is answered, and by which model.
        self._answered: dict[asyncio.Transport | None, str] = {}

    @property
    def connections(self) -> int:
        """Connections that were used for answers."""
        return len(self._connections)

    def plan(self, *faults: Planned | Fault, times: int = 1) -> None:
        """Fail the next requests for an answer, one fault each."""
        for _ in range(times):
            self._plan.extend(fault if isinstance(fault, Planned) else Planned(fault) for fault in faults)

    def pause(self) -> Callable[[], None]:
        """Stop the next stream after its first words; what this gives back lets it go on."""
        self.plan(Fault.STALL_IN_TEXT)
        return self.release.set

    def serves(self, model: object) -> bool:
        """Whether it answers for a model of that name."""
        return model in self.models

    async def until(self, condition: Callable[[], bool], within_s: float = 5.0) -> None:
        """Wait until *condition*, which is about this server's counters, holds."""
        async with asyncio.timeout(within_s), self.changed:
            await self.changed.wait_for(condition)

    def add_routes(self, app: web.Application) -> None:
        """Say what is answered where; fakes of one kind add what only that kind has."""
        app.on_response_prepare.append(self._add_headers)
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/chat/completions", self._answering(self._chat))
        app.router.add_post("/v1/completions", self._answering(self._completion))
        app.router.add_post("/v1/embeddings", self._answering(self._embeddings))
        app.router.add_post("/v1/rerank", self._answering(self._rerank))

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self.headers.get(request.headers.get("Authorization", "").removeprefix("Bearer "), {}))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of whoever waits, and of the port."""
        self.release.set()
        await super().__aexit__(kind, error, trace)

    async def _list(self, request: web.Request) -> web.Response:
        if not self._is_allowed(request):
            return _error(401, "Incorrect API key provided", "invalid_request_error", "invalid_api_key")
        entries = [{"id": model, "object": "model", "created": 0, "owned_by": "roundhouse"} for model in self.models]
        return web.json_response({"object": "list", "data": entries})

    def _answering(
        self, answer: Callable[[web.Request, dict[str, Any], Planned | None], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The part that all operations share: who asks, for what, and what is to go wrong."""

        async def respond(request: web.Request) -> web.StreamResponse:
            if isinstance(peer := request.get_extra_info("peername"), tuple):
                self._connections.add(peer[1])
            body = json.loads(await request.read())
            self.seen.append(Seen(request.path, dict(request.headers), body))
            if not self._is_allowed(request):
                return _error(401, "Incorrect API key provided", "invalid_request_error", "invalid_api_key")
            if not self.serves(body.get("model")):
                return _error(404, f"The model `{body.get('model')}` does not exist", "x", "model_not_found")
            planned = self._plan.popleft() if self._plan else None
            transport = request.transport
            self._answered[transport] = body["model"]
            try:
                return await answer(request, body, planned)
            except asyncio.CancelledError:
                self.abandoned += 1
                raise
            except CutError:
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()
            finally:
                del self._answered[transport]
                async with self.changed:
                    self.changed.notify_all()

        return respond

    def _hang_up(self, model: str) -> None:
        """Cut every answer of *model*: its weights are gone."""
        for transport in [each for each, name in self._answered.items() if name == model]:
            if transport is not None:
                transport.abort()

    def _is_allowed(self, request: web.Request) -> bool:
        return self._api_key is None or request.headers.get("Authorization") == f"Bearer {self._api_key}"

    async def _chat(self, request: web.Request, body: dict[str, Any], planned: Planned | None) -> web.StreamResponse:
        if not isinstance(body.get("messages"), list):
            return _error(400, "'messages' must be an array", "invalid_request_error", None)
        saying = Saying.of_chat(body)
        if body.get("stream"):
            return await self._streamed(request, chat_chunks(saying), planned)
        return await self._whole(chat_answer(saying), planned)

    async def _completion(
        self, request: web.Request, body: dict[str, Any], planned: Planned | None
    ) -> web.StreamResponse:
        saying = Saying.of_completion(body)
        if body.get("stream"):
            return await self._streamed(request, completion_chunks(saying), planned)
        return await self._whole(completion_answer(saying), planned)

    async def _embeddings(
        self, _request: web.Request, body: dict[str, Any], planned: Planned | None
    ) -> web.StreamResponse:
        in_text = body.get("encoding_format") == "base64"
        if in_text and self._floats_only:
            return _error(400, "encoding_format base64 is not supported", "invalid_request_error", None)
        given = body.get("input")
        texts = given if isinstance(given, list) and not all(isinstance(item, int) for item in given) else [given]
        data = [
            {"object": "embedding", "index": index, "embedding": _vector(text, in_text=in_text)}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        return await self._whole({"object": "list", "model": body["model"], "data": data, "usage": usage}, planned)

    async def _rerank(self, _request: web.Request, body: dict[str, Any], planned: Planned | None) -> web.StreamResponse:
        documents, query = body.get("documents"), body.get("query")
        if not isinstance(documents, list) or not all(isinstance(each, str) for each in documents):
            return _error(400, "'documents' must be an array of strings", "invalid_request_error", None)
        words = set(str(query).split())
        scores = [len(words & set(document.split())) / (len(words) or 1) for document in documents]
        results = [{"index": index, "relevance_score": score} for index, score in enumerate(scores)]
        read = len(documents) * len(words) + sum(len(document.split()) for document in documents)
        usage = {"prompt_tokens": read, "total_tokens": read}
        return await self._whole({"model": body["model"], "results": results, "usage": usage}, planned)

    async def _whole(self, answer: dict[str, Any], planned: Planned | None) -> web.Response:
        if planned is not None:
            early = await self._fail_early(planned)
            if early is not None:
                return early
        return web.json_response(answer)

    async def _fail_early(self, planned: Planned) -> web.Response | None:
        """Fail before anything is sent, if that is what was planned."""
        if planned.fault is Fault.STALL:
            await self._stall(planned.fault)
            return None
        if planned.fault in (Fault.STATUS, Fault.NOT_JSON, Fault.CUT):
            await self._fire(planned.fault)
        if planned.fault is Fault.CUT:
            raise CutError
        if planned.fault is Fault.NOT_JSON:
            return web.Response(body=b"<html>hello</html>", content_type="application/json")
        if planned.fault is Fault.STATUS:
            return web.Response(
                status=planned.status, body=planned.body, headers=planned.headers, content_type="application/json"
            )
        return None

    async def _streamed(
        self, request: web.Request, chunks: list[dict[str, Any]], planned: Planned | None
    ) -> web.StreamResponse:
        fault = planned.fault if planned else None
        if planned is not None and fault is not Fault.NOT_JSON:
            early = await self._fail_early(planned)
            if early is not None:
                return early
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number, chunk in enumerate(chunks):
            if not await self._goes_on(response, fault, number, chunk):
                return response
            await response.write(b"data: %b\n\n" % json.dumps(chunk).encode())
            await asyncio.sleep(self.pace_s)
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _goes_on(
        self, response: web.StreamResponse, fault: Fault | None, number: int, chunk: dict[str, Any]
    ) -> bool:
        """Whether chunk *number* is sent as it should; plays the faults that happen inside a stream."""
        is_last = any(choice.get("finish_reason") for choice in chunk["choices"])
        if (fault, number) in ((Fault.CUT_BEFORE_TEXT, 1), (Fault.CUT_IN_TEXT, 2)):
            await self._fire(fault)
            raise CutError
        if (fault, number) == (Fault.STALL_IN_TEXT, 2):
            await self._stall(fault)
        elif (fault, number) in ((Fault.ERROR_IN_STREAM, 1), (Fault.NOT_JSON, 1)):
            await self._fire(fault)
            error = {"error": {"message": "planned failure", "type": "server_error", "code": 500}}
            await response.write(
                b"data: %b\n\n" % (json.dumps(error) if fault is Fault.ERROR_IN_STREAM else "{").encode()
            )
            return False
        elif is_last and fault in (Fault.NO_END, Fault.NO_FINISH):
            await self._fire(fault)
            if fault is Fault.NO_FINISH:
                await response.write(b"data: [DONE]\n\n")
            return False
        return True

    async def _fire(self, fault: Fault | None) -> None:
        if fault is not None:
            self.fired[fault] += 1
        async with self.changed:
            self.changed.notify_all()

    async def _stall(self, fault: Fault | None) -> None:
        await self._fire(fault)
        await self.release.wait()


def _vector(text: object, *, in_text: bool) -> list[float] | str:
    """Eight numbers that only depend on *text*, as exact in float32 as in float64."""
    numbers = [byte / 256 for byte in sha256(repr(text).encode()).digest()[:8]]
    return b64encode(struct.pack("<8f", *numbers)).decode() if in_text else numbers


def _error(status: int, message: str, kind: str, code: str | None) -> web.Response:
    error = {"message": message, "type": kind, "param": None, "code": code}
    return web.json_response({"error": error}, status=status)


async def _serve(arguments: argparse.Namespace) -> None:
    async with Upstream(models=arguments.model, port=arguments.port) as upstream:
        upstream.pace_s = arguments.pace
        print(json.dumps({"address": upstream.url}), flush=True)  # noqa: T201 - the one line that it is started for
        await asyncio.Event().wait()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="A backend that repeats what it is told.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", action="append", default=None)
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between two chunks")
    arguments = parser.parse_args()
    arguments.model = arguments.model or ["echo"]
    asyncio.run(_serve(arguments))


if __name__ == "__main__":
    main()
