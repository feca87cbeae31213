"""An Ollama with its quirks: it loads, reloads, evicts, cuts and forgets to say zero. Knows no real model.

It repeats what it is told. Held to the same contract suite as the real backends, as ``async with FakeOllama() as it``.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import StrEnum
from typing import Any

from aiohttp import web

from roundhouse.testing.listening import Listening
from roundhouse.testing.ollama_shapes import (
    CHATTER,
    EMBEDDER,
    Model,
    Resident,
    pull_lines,
    said_lines,
    shown,
    tag,
    vector,
    whole,
    without_zeros,
)

_DEFAULT_CONTEXT = 4096


class Fault(StrEnum):
    """Ways to fail, each once for the next request that works."""

    #: Its queue is full.
    BUSY = "busy"
    #: A line with an error after the first word, under HTTP 200.
    ERROR_IN_STREAM = "error in stream"
    #: The connection is closed after the first word.
    CUT_IN_TEXT = "cut in text"
    #: The stream ends cleanly without the line that says ``done`` (of a pull: ``success``).
    NO_DONE = "no done"
    #: Not enough memory for the model.
    NO_MEMORY = "no memory"


class CutError(Exception):
    """The connection is to be closed now."""


class FakeOllama(Listening):
    """One such server."""

    def __init__(self, *models: Model, version: str = "0.12.11", port: int = 0) -> None:
        super().__init__(port)
        self.version = version
        self.models = {model.name: model for model in models or (CHATTER, EMBEDDER)}
        #: What is in memory.
        self.running: dict[str, Resident] = {}
        #: How often each model was brought into memory.
        self.loads: Counter[str] = Counter()
        #: Bodies by path.
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.fired: Counter[Fault] = Counter()
        #: Prompts that were cut without a word.
        self.cut = 0
        #: Set when a client did not wait for the end.
        self.left = asyncio.Event()
        #: False for versions that know nothing of ``truncate``.
        self.refuses_to_cut = True
        #: With what status it refuses.
        self.overflow_status = 400
        #: Text that cannot be embedded.
        self.poison: str | None = None
        #: While it is not set, nothing is loaded.
        self.may_load = asyncio.Event()
        self.may_load.set()
        #: While it is not set, nothing comes after the first word.
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        #: Models that leave the memory with their last answer.
        self.leaving: set[str] = set()
        self._answering: Counter[str] = Counter()
        self._plan: deque[Fault] = deque()
        self._loading = asyncio.Lock()

    def add_routes(self, app: web.Application) -> None:
        """Its paths."""
        get: dict[str, Callable[[], dict[str, Any]]] = {
            "/api/version": lambda: {"version": self.version},
            "/api/tags": lambda: {"models": [tag(model) for model in self.models.values()] or None},
            "/api/ps": lambda: {"models": [each.listed() for each in self.running.values()]},
        }
        for path, answer in get.items():
            app.router.add_get(path, _telling(answer))
        for path, act in {
            "/api/chat": self._generate,
            "/api/generate": self._generate,
            "/api/embed": self._embed,
            "/api/show": self._show,
            "/api/pull": self._pull,
            "/api/copy": self._copy,
        }.items():
            app.router.add_post(path, self._heard(act))
        app.router.add_delete("/api/delete", self._heard(self._delete))

    def plan(self, *faults: Fault) -> None:
        """Let the next requests fail like that, one each."""
        self._plan.extend(faults)

    def pause(self) -> Callable[[], None]:
        """Let nothing come after the first word; what this gives back lets it go on."""
        self.may_go_on.clear()
        return self.may_go_on.set

    def bodies(self, path: str) -> list[dict[str, Any]]:
        """What was sent to *path*."""
        return [body for at, body in self.seen if at == path]

    def _heard(
        self, act: Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def respond(request: web.Request) -> web.StreamResponse:
            body = json.loads(await request.read())
            self.seen.append((request.path, body))
            try:
                return await act(request, body)
            except CutError:
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()
            except asyncio.CancelledError:
                self.left.set()
                raise

        return respond

    def _next(self, *kinds: Fault) -> Fault | None:
        """The next planned fault, if it is one that can happen here."""
        if not self._plan or self._plan[0] not in kinds:
            return None
        fault = self._plan.popleft()
        self.fired[fault] += 1
        return fault

    def _model(self, body: dict[str, Any]) -> Model | None:
        name = str(body.get("model"))
        return self.models.get(name) or self.models.get(f"{name}:latest")

    async def _generate(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        model = self._model(body)
        if model is None:
            return _missing(body)
        speaks = bool(body.get("messages")) if request.path == "/api/chat" else bool(body.get("prompt"))
        if not speaks and body.get("keep_alive") == 0:
            self._let_go(model.name)
            return web.json_response({"model": model.name, "response": "", "done": True, "done_reason": "unload"})
        refusal, load_s = await self._prepared(request, model, body)
        if refusal is not None:
            return refusal
        if not speaks:
            line = {"model": model.name, "response": "", "done": True, "done_reason": "load"}
            return web.json_response({**line, "load_duration": int(load_s * 1e9)})
        lines = said_lines(model, body, chat=request.path == "/api/chat", load_s=load_s)
        if not body.get("stream", True):
            return web.json_response(whole(lines))
        self._answering[model.name] += 1
        try:
            return await self._streamed(request, lines)
        finally:
            self._answering[model.name] -= 1
            if model.name in self.leaving:
                self._let_go(model.name)

    def _let_go(self, name: str) -> None:
        """Out of memory, as soon as nobody is answered any more."""
        if self._answering[name]:
            self.leaving.add(name)
            return
        self.leaving.discard(name)
        self.running.pop(name, None)

    async def _prepared(
        self, request: web.Request, model: Model, body: dict[str, Any]
    ) -> tuple[web.Response | None, float]:
        """What it refuses, or the seconds that it loaded for."""
        if "completion" not in model.capabilities:
            return _error(400, f'"{model.name}" does not support {request.path.rpartition("/")[2]}'), 0.0
        if body.get("think") is not None and "thinking" not in model.capabilities:
            return _error(400, f'"{model.name}" does not support thinking'), 0.0
        refusal, load_s = await self._load(model, body)
        return refusal or self._fit(model, body), load_s

    async def _load(self, model: Model, body: dict[str, Any]) -> tuple[web.Response | None, float]:
        """Bring it into memory, again if another context is asked for; loads are serial."""
        fault = self._next(Fault.BUSY, Fault.NO_MEMORY)
        if fault is Fault.BUSY:
            return _error(503, "server busy, please try again.  maximum pending requests exceeded"), 0.0
        if fault is Fault.NO_MEMORY:
            return _error(500, "model requires more system memory (9.0 GiB) than is available (4.0 GiB)"), 0.0
        asked = (body.get("options") or {}).get("num_ctx") or _DEFAULT_CONTEXT
        context = min(asked, model.context)
        async with self._loading:
            await self.may_load.wait()
            known = self.running.get(model.name)
            if known is not None and known.context == context:
                return None, 0.0
            self.loads[model.name] += 1
            self.running[model.name] = Resident(model, context)
            return None, 1.5

    def _fit(self, model: Model, body: dict[str, Any]) -> web.Response | None:
        said = body.get("prompt") or " ".join(str(each.get("content")) for each in body.get("messages", ()))
        if len(str(said).split()) <= self.running[model.name].context:
            return None
        if self.refuses_to_cut and body.get("truncate") is False:
            return _error(self.overflow_status, "the input length exceeds the context length")
        self.cut += 1
        return None

    async def _streamed(self, request: web.Request, lines: list[dict[str, Any]]) -> web.StreamResponse:
        fault = self._next(Fault.ERROR_IN_STREAM, Fault.CUT_IN_TEXT, Fault.NO_DONE)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        for number, line in enumerate(lines):
            is_last = number == len(lines) - 1
            if fault is Fault.NO_DONE and is_last:
                return response
            await response.write(json.dumps(without_zeros(line)).encode() + b"\n")
            await self.may_go_on.wait()
            if number == 0 and fault is Fault.CUT_IN_TEXT:
                raise CutError
            if number == 0 and fault is Fault.ERROR_IN_STREAM:
                await response.write(b'{"error":"llama runner process has terminated"}\n')
                return response
        return response

    async def _embed(self, _request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        model = self._model(body)
        if model is None:
            return _missing(body)
        given = body["input"]
        texts = [given] if isinstance(given, str) else given
        refusal, load_s = await self._load(model, body)
        if refusal is not None:
            return refusal
        if self.poison in texts:
            return _error(500, "failed to embed: NaN")
        if any(len(text.split()) > self.running[model.name].context for text in texts):
            return _error(self.overflow_status, "the input length exceeds the context length")
        numbers = [vector(text, body.get("dimensions") or model.dimension) for text in texts]
        counted = sum(len(text.split()) for text in texts)
        line = {"model": model.name, "embeddings": numbers, "load_duration": int(load_s * 1e9)}
        return web.json_response(without_zeros({**line, "prompt_eval_count": counted}))

    async def _show(self, _request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        model = self._model(body)
        return _missing(body) if model is None else web.json_response(shown(model))

    async def _pull(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        name = str(body["model"])
        if name.startswith("missing"):
            lines: list[dict[str, Any]] = [
                {"status": "pulling manifest"},
                {"error": "pull model manifest: file does not exist"},
            ]
            return await self._streamed(request, lines)
        response = await self._streamed(request, pull_lines())
        self.models[name] = replace(CHATTER, name=name)
        return response

    async def _copy(self, _request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        source = self._model({"model": body["source"]})
        if source is None:
            return _missing({"model": body["source"]})
        name = str(body["destination"])
        name = name if ":" in name else f"{name}:latest"
        self.models[name] = replace(source, name=name)
        return web.Response()

    async def _delete(self, _request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        model = self._model(body)
        if model is None:
            return _missing(body)
        # It never asks whether the model is in memory.
        del self.models[model.name]
        return web.Response()


def _telling(answer: Callable[[], dict[str, Any]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def respond(_request: web.Request) -> web.Response:
        return web.json_response(answer())

    return respond


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)


def _missing(body: dict[str, Any]) -> web.Response:
    return _error(404, f'model "{body.get("model")}" not found, try pulling it first')
