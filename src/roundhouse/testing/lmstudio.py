"""LM Studio as its documents and its bug tracker describe it, quirks included. Knows no model.

The quirks: paths that it does not know are answered with 200 and an error; ``/v1/models`` lists everything that is
downloaded as if it were served; copies are unloaded by instance id, which is not the model's key; each request for a
model that is not loaded yet loads a copy of its own; and without just-in-time loading whichever model is the only one
in memory answers for any. What a copy is answering ends when it is unloaded.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from roundhouse.testing.upstream import Planned, Upstream

_MAX_CONTEXT = 131_072
_DEFAULT_CONTEXT = 4096


class Api(StrEnum):
    """How new it is."""

    V1 = "v1"
    V0 = "v0"
    OPENAI = "openai"


class FakeLMStudio(Upstream):
    """One LM Studio with two models: ``echo``, which chats, and ``text-embed``."""

    def __init__(self, api: Api = Api.V1, *, token: str | None = None) -> None:
        self.downloaded: tuple[str, ...] = ("echo", "text-embed")
        super().__init__(models=self.downloaded)
        self.api = api
        self._token = token
        #: What it says to whoever has no token.
        self.refusal: object = (
            "An LM Studio API token is required to make requests to this server, but none was provided using the "
            "Authorization header using the 'Bearer' scheme (i.e., 'Authorization: Bearer $LM_API_TOKEN')."
        )
        #: Copies in memory: the instance's id, its model and its context.
        self.instances: dict[str, tuple[str, int]] = {}
        #: Copies that were ever made, by model: two at once are one too many.
        self.loads: Counter[str] = Counter()
        self.unknown_paths: list[str] = []
        #: How often its native lists were asked for.
        self.looks = 0
        #: Loads go on when it is set.
        self.may_load = asyncio.Event()
        self.may_load.set()
        #: Copies that fit into its memory; one more of a model takes as much as the first.
        self.room = 100
        #: The largest context that it loads anything with, and the largest that it takes for what it was told.
        self.roomy = self.most_context = _MAX_CONTEXT
        self.is_trained_for_tools = True
        #: It breaks off every connection.
        self.is_down = False
        self.publisher: str | None = "nobody"
        #: Whether requests load what they ask for.
        self.loads_just_in_time = True

    def evict(self) -> None:
        """Let go of everything, as its time to live, a person or a restart does."""
        self.models = self.downloaded
        self.instances.clear()

    def put(self, instance: str, model: str, context: int) -> None:
        """Load a copy as a person does in its window."""
        self.instances[instance] = (model, context)
        self.models = (*self.models, instance)

    def serves(self, model: object) -> bool:
        """Whether something answers; what is only downloaded does not, unless it is loaded just in time."""
        if self.loads_just_in_time:
            return super().serves(model)
        return len(self.instances) == 1 or self._answering_for(str(model)) is not None

    def _answering_for(self, model: str) -> str | None:
        """The copy that is called so, or is of that model."""
        copies = [instance for instance, (name, _) in self.instances.items() if model in (instance, name)]
        return copies[0] if copies else None

    def _answering(
        self, answer: Callable[[web.Request, dict[str, Any], Planned | None], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def by_its_name(
            request: web.Request, body: dict[str, Any], planned: Planned | None
        ) -> web.StreamResponse:
            speaker = self._answering_for(body["model"]) or next(iter(self.instances))
            return await answer(request, {**body, "model": speaker}, planned)

        return super()._answering(by_its_name)

    def add_routes(self, app: web.Application) -> None:
        """OpenAI's paths, and the native ones that this version has."""
        app.middlewares.append(self._enter)
        super().add_routes(app)
        if self.api is Api.V1:
            app.router.add_get("/api/v1/models", self._list_v1)
            app.router.add_post("/api/v1/models/load", self._load)
            app.router.add_post("/api/v1/models/unload", self._unload)
        if self.api in (Api.V1, Api.V0):
            app.router.add_get("/api/v0/models", self._list_v0)
        app.router.add_route("*", "/{path:.*}", self._unknown)

    @web.middleware
    async def _enter(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Look at the token; load what is asked for and not in memory."""
        if self.is_down and request.transport is not None:
            request.transport.abort()
            return web.Response()
        if self._token is not None and request.headers.get("Authorization") != f"Bearer {self._token}":
            error = {"type": "invalid_request", "code": "invalid_api_key", "message": self.refusal}
            return web.json_response({"error": error}, status=401)
        if request.path.startswith("/v1/") and request.method == "POST":
            model = (await request.json()).get("model")
            loaded = {name for name, _ in self.instances.values()} | set(self.instances)
            if self.loads_just_in_time and model in self.models and model not in loaded:
                await self._copy(model, _DEFAULT_CONTEXT)
        return await handler(request)

    async def _copy(self, model: str, context: int) -> str:
        self.loads[model] += 1
        async with self.changed:
            self.changed.notify_all()
        instance = model if self.api is not Api.V1 else f"{model}:{self.loads[model]}"
        await self.may_load.wait()
        self.put(instance, model, context)
        async with self.changed:
            self.changed.notify_all()
        return instance

    async def _list(self, _request: web.Request) -> web.Response:
        data = [{"id": model, "object": "model", "owned_by": "organization_owner"} for model in self.downloaded]
        return web.json_response({"object": "list", "data": data})

    async def _list_v0(self, _request: web.Request) -> web.Response:
        self.looks += 1
        return web.json_response({"object": "list", "data": [self._entry_v0(model) for model in self.downloaded]})

    async def _list_v1(self, _request: web.Request) -> web.Response:
        self.looks += 1
        return web.json_response({"models": [self._entry_v1(model) for model in self.downloaded]})

    async def _load(self, request: web.Request) -> web.Response:
        wish = await request.json()
        if len(self.instances) >= self.room or wish.get("context_length", 0) > self.roomy:
            return _error(500, "Failed to load model: insufficient system resources (memory)")
        if wish["model"] not in self.downloaded:
            return _error(404, f"Model {wish['model']} not found")
        context = min(wish.get("context_length", _DEFAULT_CONTEXT), self.most_context)
        instance = await self._copy(wish["model"], context)
        told: dict[str, Any] = {"type": "llm", "instance_id": instance, "load_time_seconds": 2.5, "status": "loaded"}
        if wish.get("echo_load_config"):
            told["load_config"] = {"context_length": self.instances[instance][1]}
        return web.json_response(told)

    async def _unload(self, request: web.Request) -> web.Response:
        instance = (await request.json()).get("instance_id")
        if instance not in self.instances:
            return _error(404, f"No instance {instance} found")
        del self.instances[instance]
        self._hang_up(instance)
        self.models = tuple(each for each in self.models if each != instance or each in self.downloaded)
        async with self.changed:
            self.changed.notify_all()
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
            "capabilities": {"vision": True, "trained_for_tool_use": self.is_trained_for_tools},
        }


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": "model_load_failed"}}, status=status)
