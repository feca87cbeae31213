"""Providers that speak OpenAI's dialect in manners of their own, as their documents and users describe them.

Knows no model. Each is the echoing upstream with its list of models, its refusals and its way to tell usage.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from roundhouse.testing.openai_shapes import Saying, chat_answer, chat_chunks
from roundhouse.testing.upstream import Planned, Upstream

MODEL = "echo"


@dataclass(frozen=True, slots=True)
class Manners:
    """How one of them does it."""

    #: What its list says of the one model beside its name.
    card: Mapping[str, Any] = field(default_factory=dict)
    #: The list has nothing around it.
    is_bare: bool = False
    #: Why a body is refused: the status and what is answered with it.
    refuses: Callable[[Mapping[str, Any]], tuple[int, Mapping[str, Any]] | None] = lambda _body: None
    #: What is put into the usage.
    usage: Mapping[str, Any] = field(default_factory=dict)
    #: Where the usage of a stream stands, when it is in its last chunk.
    usage_in: str | None = None
    #: Sent before an answer, to keep the connection alive.
    before: bytes = b""
    comment: bytes = b""
    #: A chunk that is sent instead of the end.
    ends_with: Mapping[str, Any] | None = None
    #: The only choice of an answer that failed.
    failed: Mapping[str, Any] | None = None


def _mistral(body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]] | None:
    """It refuses what it does not know, also in messages, in a shape of its own."""
    known = {"model", "messages", "stream", "max_tokens", "temperature", "random_seed", "tools", "tool_choice", "stop"}
    unknown: list[list[object]] = [["body", name] for name in body.keys() - known]
    for number, message in enumerate(body.get("messages", ())):
        unknown += [["body", "messages", number, name] for name in message.keys() - {"role", "content", "tool_calls"}]
    if not unknown:
        return None
    detail = [{"type": "extra_forbidden", "loc": where, "msg": "Extra inputs are not permitted"} for where in unknown]
    return 422, {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error", "code": None}


def _openai(body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]] | None:
    """Its reasoning models refuse the older name of the limit."""
    if "max_tokens" not in body:
        return None
    message = "Unsupported parameter: 'max_tokens' is not supported with this model."
    return 400, {"error": {"message": message, "type": "invalid_request_error", "code": "unsupported_parameter"}}


def _only_old_limit(body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]] | None:
    """It does not know the newer name."""
    if "max_completion_tokens" not in body:
        return None
    return 400, {"error": {"message": "unknown field max_completion_tokens", "type": "invalid_request_error"}}


OPENAI = Manners(refuses=_openai)
MISTRAL = Manners(
    card={
        "capabilities": {"completion_chat": True, "function_calling": False, "vision": True},
        "max_context_length": 32_768,
    },
    refuses=_mistral,
    usage_in="usage",
)
DEEPSEEK = Manners(
    refuses=_only_old_limit,
    usage={"prompt_cache_hit_tokens": 2, "prompt_cache_miss_tokens": 1},
    before=b"\n\n\n",
    comment=b": keep-alive\n\n",
)
GROQ = Manners(card={"context_window": 131_072, "active": True, "owned_by": "x"}, usage_in="x_groq")
MOONSHOT = Manners(card={"context_length": 262_144}, usage_in="choice")
OPENROUTER = Manners(
    card={
        "context_length": 200_000,
        "pricing": {"prompt": "0.000003", "completion": "0.000015", "request": "0"},
        "architecture": {"input_modalities": ["text", "image"]},
        "supported_parameters": ["max_tokens", "temperature"],
    },
    usage={"cost": 0.0042},
    comment=b": OPENROUTER PROCESSING\n\n",
)
TOGETHER = Manners(
    card={"type": "chat", "context_length": 4096, "pricing": {"input": 0.88, "output": 0.88, "base": 0}}, is_bare=True
)


class FakeProvider(Upstream):
    """One provider with one model; more are listed if *also* says so."""

    def __init__(self, manners: Manners, *, also: Sequence[Mapping[str, Any]] = (), model: str = MODEL) -> None:
        super().__init__(models=(model,))
        self.manners = manners
        self._also = also

    async def _list(self, _request: web.Request) -> web.Response:
        cards = [{"id": self.models[0], "object": "model", **self.manners.card}, *self._also]
        return web.json_response(cards if self.manners.is_bare else {"object": "list", "data": cards})

    async def _chat(self, request: web.Request, body: dict[str, Any], planned: Planned | None) -> web.StreamResponse:
        refused = self.manners.refuses(body)
        if refused is not None:
            return web.json_response(refused[1], status=refused[0])
        if planned is not None:
            return await super()._chat(request, body, planned)
        saying = Saying.of_chat(body)
        usage = {**saying.usage, **self.manners.usage}
        if not body.get("stream"):
            answer = chat_answer(saying) | {"usage": usage}
            if self.manners.failed is not None:
                answer["choices"] = [self.manners.failed]
            return web.Response(body=self.manners.before + json.dumps(answer).encode(), content_type="application/json")
        return await self._sent(request, self._chunks(saying, usage))

    def _chunks(self, saying: Saying, usage: Mapping[str, Any]) -> list[dict[str, Any]]:
        chunks = chat_chunks(saying)
        if saying.with_usage:
            chunks[-1]["usage"] = usage
        last = chunks[-2] if saying.with_usage else chunks[-1]
        if self.manners.usage_in == "usage":
            last["usage"] = usage
        elif self.manners.usage_in == "choice":
            last["choices"][0]["usage"] = usage
        elif self.manners.usage_in == "x_groq":
            last["x_groq"] = {"id": "req_1", "usage": usage}
        return [*chunks[:2], dict(self.manners.ends_with)] if self.manners.ends_with is not None else chunks

    async def _sent(self, request: web.Request, chunks: list[dict[str, Any]]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for chunk in chunks:
            await response.write(self.manners.comment + b"data: %b\n\n" % json.dumps(chunk).encode())
        await response.write(b"data: [DONE]\n\n")
        return response
