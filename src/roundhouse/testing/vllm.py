"""vLLM's server as its documents and its source describe it, quirks included. Knows no model.

The quirks: LoRA modules are listed beside their model without a context; errors are an object under ``error``, or in
older versions stand at the top; tools are refused unless it was started with a parser for them; what it thinks is
called ``reasoning``, and was ``reasoning_content`` before 0.12; usage may come with every chunk; it can be put to
sleep, where it was started for that, which ends what it is answering unless it is told to wait (older versions
always), and answers nothing until it is woken; its key only guards ``/v1``; one process
has one model, which writes or embeds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from roundhouse.testing.openai_shapes import Saying, chat_answer, chat_chunks
from roundhouse.testing.upstream import Planned, Upstream

CONTEXT = 2048
MODEL, LORA, EMBEDDER = "echo", "echo-sql", "bge-m3"
THOUGHT = "hm"


class FakeVLLM(Upstream):
    """One vLLM with ``echo`` and a LoRA module of it, or with a model that embeds."""

    def __init__(
        self,
        *,
        api_key: str | None = None,
        embeds: bool = False,
        old: bool = False,
        tool_parser: bool = True,
        dev_mode: bool = False,
        sleep_mode: bool = True,
    ) -> None:
        super().__init__(models=(EMBEDDER,) if embeds else (MODEL, LORA), api_key=api_key)
        self.embeds, self.old, self.tool_parser = embeds, old, tool_parser
        self.dev_mode, self.sleep_mode = dev_mode, sleep_mode
        #: Whether the engine died, which its server survives.
        self.is_dead = False
        #: Whether it puts what it thinks before what it says.
        self.thinks = False
        self.awake = asyncio.Event()
        self.awake.set()
        self.may_wake = asyncio.Event()
        self.may_wake.set()
        self.woken: Counter[str] = Counter()
        self.asked: list[str] = []

    def add_routes(self, app: web.Application) -> None:
        """OpenAI's paths and its own; those for sleep only where somebody wanted them."""
        app.middlewares.append(self._gate)
        super().add_routes(app)
        app.router.add_get("/health", self._health)
        app.router.add_get("/version", self._version)
        if self.dev_mode:
            app.router.add_get("/is_sleeping", self._is_sleeping)
            app.router.add_post("/sleep", self._sleep)
            app.router.add_post("/wake_up", self._wake_up)

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What it checks of any request."""
        self.asked.append(request.path)
        if request.path.startswith("/v1") and not self._is_allowed(request):
            return web.json_response({"error": "Unauthorized"}, status=401)
        if request.path.startswith("/v1") and request.method == "POST":
            body = await request.json()
            refusal = self._refusal(request.path, body)
            if refusal is not None:
                return refusal
            await self.awake.wait()
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return web.json_response({"detail": "Not Found"}, status=404)

    def _refusal(self, path: str, body: dict[str, Any]) -> web.Response | None:
        """Why it would not even begin."""
        model = body.get("model")
        if model not in self.models:
            return self._error(404, f"The model `{model}` does not exist.", "NotFoundError")
        if self.embeds != (path == "/v1/embeddings"):
            api = "Embeddings" if path == "/v1/embeddings" else "Chat Completions"
            return self._error(400, f"The model does not support {api} API", "BadRequestError")
        if path == "/v1/chat/completions" and not isinstance(body.get("messages"), list):
            return self._error(400, "[{'type': 'missing', 'loc': ('body', 'messages')}]", "Bad Request")
        if body.get("tools") and not self.tool_parser:
            message = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
            return self._error(400, message, "BadRequestError")
        words = len(str(body.get("messages", "")).split())
        if words > CONTEXT:
            message = f"This model's maximum context length is {CONTEXT} tokens. However, you requested {words} tokens"
            return self._error(400, message, "BadRequestError")
        return None

    def _error(self, status: int, message: str, kind: str) -> web.Response:
        error = {"message": message, "type": kind, "param": None, "code": status}
        return web.json_response({"object": "error", **error} if self.old else {"error": error}, status=status)

    async def _list(self, _request: web.Request) -> web.Response:
        cards = [self._card(model) for model in self.models]
        return web.json_response({"object": "list", "data": cards})

    def _card(self, model: str) -> dict[str, Any]:
        is_lora = model == LORA
        return {
            "id": model,
            "object": "model",
            "created": 0,
            "owned_by": "vllm",
            "root": "/loras/sql" if is_lora else f"nobody/{model}",
            "parent": MODEL if is_lora else None,
            "max_model_len": None if is_lora else CONTEXT,
            "permission": [{"id": "modelperm-0", "object": "model_permission", "allow_sampling": True}],
        }

    async def _chat(self, request: web.Request, body: dict[str, Any], planned: Planned | None) -> web.StreamResponse:
        saying = Saying.of_chat(body)
        if not body.get("stream"):
            return await self._whole(self._thoughtful(chat_answer(saying), "message"), planned)
        chunks = chat_chunks(saying)
        if self.thinks:
            chunks[1:1] = [self._thoughtful(chat_chunks(saying)[1], "delta")]
            chunks[1]["choices"][0]["delta"].pop("content", None)
        if (body.get("stream_options") or {}).get("continuous_usage_stats"):
            for number, chunk in enumerate(chunks[:-1]):
                chunk["usage"] = saying.usage | {"completion_tokens": number}
        return await self._streamed(request, chunks, planned)

    def _thoughtful(self, answer: dict[str, Any], part: str) -> dict[str, Any]:
        """The same with what it thought, which newer versions call differently."""
        if self.thinks:
            answer["choices"][0][part]["reasoning_content" if self.old else "reasoning"] = THOUGHT
        return answer

    async def _health(self, _request: web.Request) -> web.Response:
        return web.Response(status=503 if self.is_dead else 200)

    async def _version(self, _request: web.Request) -> web.Response:
        return web.json_response({"version": "0.11.0" if self.old else "0.19.0"})

    async def _is_sleeping(self, _request: web.Request) -> web.Response:
        return web.json_response({"is_sleeping": not self.awake.is_set()})

    async def _sleep(self, request: web.Request) -> web.Response:
        if not self.sleep_mode:
            return self._error(500, "Sleep mode is not enabled", "InternalServerError")
        if request.query.get("mode") == "wait" and not self.old:
            async with self.changed:
                await self.changed.wait_for(lambda: not self._answered)
        for model in self.models:
            self._hang_up(model)
        self.awake.clear()
        return web.Response()

    async def _wake_up(self, request: web.Request) -> web.Response:
        self.woken[request.path] += 1
        async with self.changed:
            self.changed.notify_all()
        await self.may_wake.wait()
        self.awake.set()
        return web.Response()
