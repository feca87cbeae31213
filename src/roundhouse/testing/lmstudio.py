"""LM Studio as its documents and its bug tracker describe it, quirks included. Knows no model.

The quirks: paths that it does not know are answered with 200 and an error; ``/v1/models`` lists everything that is
downloaded as if it were served; copies are unloaded by instance id, which is not the model's key; and each request for
a model that is not loaded yet loads a copy of its own. What a copy is answering ends when it is unloaded.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from enum import StrEnum
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from roundhouse.testing.upstream import Upstream

_MAX_CONTEXT = 131_072
_DEFAULT_CONTEXT = 4096


class Api(StrEnum):
    """How new it is."""

    V1 = "v1"
    V0 = "v0"
    OPENAI = "openai"


class FakeLMStudio(Upstream):
    """One LM Studio with two models: ``echo``, which chats, and ``text-embed``."""

    def __init__(self, api: Api = Api.V1) -> None:
        super().__init__(models=("echo", "text-embed"))
        self.api = api
        #: Copies in memory: the instance's id, its model and its context.
        self.instances: dict[str, tuple[str, int]] = {}
        #: Copies that were ever made, by model: two at once are one too many.
        self.loads: Counter[str] = Counter()
        self.unknown_paths: list[str] = []
        #: Loads go on when it is set.
        self.may_load = asyncio.Event()
        self.may_load.set()
        self.is_full = False
        self.publisher: str | None = "nobody"

    def add_routes(self, app: web.Application) -> None:
        """OpenAI's paths, and the native ones that this version has."""
        app.middlewares.append(self._just_in_time)
        super().add_routes(app)
        if self.api is Api.V1:
            app.router.add_get("/api/v1/models", self._list_v1)
            app.router.add_post("/api/v1/models/load", self._load)
            app.router.add_post("/api/v1/models/unload", self._unload)
        if self.api in (Api.V1, Api.V0):
            app.router.add_get("/api/v0/models", self._list_v0)
        app.router.add_route("*", "/{path:.*}", self._unknown)

    @web.middleware
    async def _just_in_time(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Load what is asked for and not in memory."""
        if request.path.startswith("/v1/") and request.method == "POST":
            model = (await request.json()).get("model")
            loaded = {name for name, _ in self.instances.values()} | set(self.instances)
            if model in self.models and model not in loaded:
                await self._copy(model, _DEFAULT_CONTEXT)
        return await handler(request)

    async def _copy(self, model: str, context: int) -> str:
        self.loads[model] += 1
        async with self.changed:
            self.changed.notify_all()
        instance = model if self.api is not Api.V1 else f"{model}:{self.loads[model]}"
        await self.may_load.wait()
        self.instances[instance] = (model, context)
        self.models = (*self.models, instance)
        return instance

    async def _list(self, _request: web.Request) -> web.Response:
        data = [{"id": model, "object": "model", "owned_by": "organization_owner"} for model in ("echo", "text-embed")]
        return web.json_response({"object": "list", "data": data})

    async def _list_v0(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [self._entry_v0("echo"), self._entry_v0("text-embed")]})

    async def _list_v1(self, _request: web.Request) -> web.Response:
        return web.json_response({"models": [self._entry_v1("echo"), self._entry_v1("text-embed")]})

    async def _load(self, request: web.Request) -> web.Response:
        wish = await request.json()
        if self.is_full:
            return _error(500, "Failed to load model: insufficient system resources (memory)")
        if wish["model"] not in ("echo", "text-embed"):
            return _error(404, f"Model {wish['model']} not found")
        instance = await self._copy(wish["model"], wish.get("context_length", _DEFAULT_CONTEXT))
        told = {"type": "llm", "instance_id": instance, "load_time_seconds": 2.5, "status": "loaded"}
        return web.json_response(told)

    async def _unload(self, request: web.Request) -> web.Response:
        instance = (await request.json()).get("instance_id")
        if instance not in self.instances:
            return _error(404, f"No instance {instance} found")
        del self.instances[instance]
        self._hang_up(instance)
        return web.json_response({"instance_id": instance})

    async def _unknown(self, request: web.Request) -> web.Response:
        self.unknown_paths.append(request.path)
        return web.json_response({"error": f"Unexpected endpoint or method. ({request.method} {request.path})"})

    def _entry_v0(self, model: str) -> dict[str, Any]:
        contexts = [context for name, context in self.instances.values() if name == model]
        entry = {
            "id": model,
            "object": "model",
            "type": "embeddings" if "embed" in model else "vlm",
            "publisher": self.publisher,
            "arch": "llama",
            "compatibility_type": "gguf",
            "quantization": "Q4_K_M",
            "state": "loaded" if contexts else "not-loaded",
            "max_context_length": _MAX_CONTEXT,
        }
        return entry | ({"loaded_context_length": contexts[0]} if contexts else {})

    def _entry_v1(self, model: str) -> dict[str, Any]:
        copies = [
            {"id": instance, "config": {"context_length": context, "parallel": 4}}
            for instance, (name, context) in self.instances.items()
            if name == model
        ]
        return {
            "type": "embedding" if "embed" in model else "llm",
            "publisher": self.publisher,
            "key": model,
            "display_name": model,
            "architecture": "llama",
            "quantization": {"name": "Q4_K_M", "bits_per_weight": 4},
            "size_bytes": 1000,
            "params_string": "7B",
            "loaded_instances": copies,
            "max_context_length": _MAX_CONTEXT,
            "format": "gguf",
            "capabilities": {"vision": True, "trained_for_tool_use": True},
        }


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": "model_load_failed"}}, status=status)
