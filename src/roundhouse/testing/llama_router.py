"""llama-server in router mode as its source describes it, quirks included. Knows no model.

The quirks: its own ``/props`` is a placeholder with a context of 0; a load is answered before it is done, and how it
went stands in the list; a model that is already running cannot be loaded again, and is refused with 400, as are models
that it does not know or that are not loaded when it must not load them itself; the least recently used model goes when
there are too many, whatever it is doing, and so does one that is unloaded; a sleeping one is woken by any POST;
``/health`` needs no key.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from roundhouse.testing.upstream import Planned, Upstream

CONTEXT = 8192
_EMBEDDERS = ("text-embed",)
_KEYLESS = ("/health", "/v1/health")


class FakeLlamaRouter(Upstream):
    """One router with three models: ``echo``, which chats, ``text-embed``, and ``broken``, which cannot be loaded."""

    def __init__(
        self, *, autoload: bool = True, models_max: int = 4, api_key: str | None = None, port: int = 0
    ) -> None:
        super().__init__(models=("echo", "text-embed", "broken"), api_key=api_key, port=port)
        self.autoload = autoload
        self.models_max = models_max
        self.status: dict[str, dict[str, Any]] = {model: {"value": "unloaded", "args": []} for model in self.models}
        #: Loads that were ever begun, by model.
        self.loads: Counter[str] = Counter()
        #: Wishes to load, granted or not.
        self.wishes: Counter[str] = Counter()
        #: Loads go on when it is set.
        self.may_load = asyncio.Event()
        self.may_load.set()
        #: While it loads a model that it was started with, everything but the lists is refused.
        self.is_starting = False
        #: Asked for with a GET, by path and query.
        self.asked: list[str] = []
        self._used: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def add_routes(self, app: web.Application) -> None:
        """OpenAI's paths and its own."""
        app.middlewares.append(self._route)
        super().add_routes(app)
        app.router.add_get("/health", self._health)
        app.router.add_get("/props", self._props)
        app.router.add_get("/models", self._list)
        app.router.add_post("/models/load", self._load)
        app.router.add_post("/models/unload", self._unload)

    @web.middleware
    async def _route(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What it checks before a child gets to see anything."""
        if request.method == "GET":
            self.asked.append(request.path_qs)
        if request.path not in _KEYLESS and not self._is_allowed(request):
            return _error(401, "Invalid API Key", "authentication_error")
        if self.is_starting and request.path not in ("/v1/models", "/models"):
            return _error(503, "Loading model", "unavailable_error")
        if request.method != "POST" or request.path.startswith("/models/"):
            return await handler(request)
        body = await request.json()
        return (
            await self._refusal(body.get("model") or "", request)
            or _unable(request.path, body)
            or await handler(request)
        )

    async def _refusal(self, model: str, request: web.Request) -> web.Response | None:
        """Why a child is not asked; loads it if need be."""
        if model not in self.status:
            known = f"model '{model}' not found" if model else "model name is missing from the request"
            return _error(400, known, "invalid_request_error")
        may_load = request.query.get("autoload", str(self.autoload)).lower() in ("true", "1")
        if self._value(model) == "sleeping" and request.method == "POST":
            self.status[model]["value"] = "loaded"
        if self._value(model) in ("unloaded", "loading"):
            if not may_load:
                return _error(400, "model is not loaded", "invalid_request_error")
            if self._value(model) == "unloaded":
                await self._begin(model)
            async with self.changed:
                await self.changed.wait_for(lambda: self._value(model) != "loading")
            if self._value(model) != "loaded":
                return _error(500, f"model name={model} failed to load", "server_error")
        if request.method == "POST":
            self._used = [each for each in self._used if each != model] + [model]
        return None

    def _value(self, model: str) -> str:
        return str(self.status[model]["value"])

    async def _begin(self, model: str) -> None:
        """Load; the one that was used least recently goes, whatever it is doing."""
        self.loads[model] += 1
        self.status[model] = {"value": "loading", "args": []}
        running = [each for each in self.status if self._value(each) in ("loaded", "sleeping")]
        if len(running) >= self.models_max:
            oldest = min(running, key=lambda each: self._used.index(each) if each in self._used else -1)
            self.status[oldest]["value"] = "unloaded"
        async with self.changed:
            self.changed.notify_all()
        await self.may_load.wait()
        failed = {"value": "unloaded", "args": [], "failed": True, "exit_code": 1}
        self.status[model] = failed if model == "broken" else {"value": "loaded", "args": []}
        async with self.changed:
            self.changed.notify_all()

    async def _load(self, request: web.Request) -> web.Response:
        model = (await request.json()).get("model")
        self.wishes[model] += 1
        if model not in self.status:
            return _error(404, "model is not found", "not_found_error")
        if self._value(model) != "unloaded":
            return _error(400, "model is already running", "invalid_request_error")
        self.status[model]["value"] = "loading"
        task = asyncio.create_task(self._begin(model))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return web.json_response({"success": True})

    async def _unload(self, request: web.Request) -> web.Response:
        model = (await request.json()).get("model")
        if model not in self.status:
            return _error(400, "model is not found", "invalid_request_error")
        if self._value(model) == "unloaded":
            return _error(400, "model is not running", "invalid_request_error")
        self.status[model] = {"value": "unloaded", "args": []}
        self._hang_up(model)
        return web.json_response({"success": True})

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _props(self, request: web.Request) -> web.Response:
        model = request.query.get("model", "")
        if not model:
            own = {"role": "router", "max_instances": self.models_max, "models_autoload": self.autoload}
            settings = {"params": None, "n_ctx": 0}
            return web.json_response(
                own | {"model_path": "none", "default_generation_settings": settings, "build_info": "b8000-fake"}
            )
        return await self._refusal(model, request) or web.json_response(self._props_of(model))

    def _props_of(self, model: str) -> dict[str, Any]:
        return {
            "default_generation_settings": {"params": {}, "n_ctx": CONTEXT},
            "total_slots": 4,
            "model_alias": model,
            "model_ftype": "Q4_K - Medium",
            "model_path": f"/cache/models--nobody--{model}-GGUF/snapshots/1/{model}.gguf",
            "modalities": {"vision": model == "echo", "audio": False},
            "chat_template": "{{ tools }}{{ messages }}<think>",
            "chat_template_caps": {"supports_tools": True, "supports_tool_calls": True},
            "build_info": "b8000-fake",
            "is_sleeping": self._value(model) == "sleeping",
        }

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [self._entry(model) for model in self.models]})

    def _entry(self, model: str) -> dict[str, Any]:
        entry = {
            "id": model,
            "aliases": [f"{model}-alias"],
            "tags": [],
            "object": "model",
            "owned_by": "llamacpp",
            "created": 0,
            "status": self.status[model],
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
            "source": "models_dir",
        }
        header = {"n_ctx": CONTEXT, "n_ctx_train": 131_072, "n_params": 7_000_000_000, "n_embd": 8, "size": 1000}
        return entry | ({"meta": header} if self._value(model) in ("loaded", "sleeping") else {})

    async def _rerank(
        self, _request: web.Request, _body: dict[str, Any], _planned: Planned | None
    ) -> web.StreamResponse:
        return _error(501, "This server does not support reranking. Start it with `--reranking`", "not_supported_error")


def _unable(path: str, body: dict[str, Any]) -> web.Response | None:
    """What a child refuses: a prompt that is too long, and what it was not started for."""
    if path == "/v1/embeddings":
        if body["model"] not in _EMBEDDERS:
            return _error(
                501, "This server does not support embeddings. Start it with `--embeddings`", "not_supported_error"
            )
        if "input" not in body:
            return _error(400, '"input" or "content" must be provided', "invalid_request_error")
    words = len(str(body.get("messages", "")).split())
    if words > CONTEXT:
        message = f"request ({words} tokens) exceeds the available context size ({CONTEXT} tokens), try increasing it"
        return _error(400, message, "exceed_context_size_error", n_prompt_tokens=words, n_ctx=CONTEXT)
    return None


def _error(status: int, message: str, kind: str, **fields: int) -> web.Response:
    return web.json_response({"error": {"code": status, "message": message, "type": kind, **fields}}, status=status)
