"""What the fake Anthropic says, in the shapes of the Messages API. Knows nothing about HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

_THOUGHT = "hm, let me see"


@dataclass(frozen=True, slots=True)
class Model:
    """One model that it has."""

    name: str
    #: Thinks within a budget of tokens; decides itself; may be told not to.
    budget: bool = True
    adaptive: bool = False
    silent: bool = True
    schemas: bool = True
    vision: bool = True
    context: int | None = 200_000
    answer: int | None = 64_000
    lifecycle: str = "active"
    retires_at: str | None = None

    @property
    def samples(self) -> bool:
        """Whether it takes a temperature."""
        return self.budget or not self.adaptive

    def listed(self) -> dict[str, Any]:
        """As ``/v1/models`` has it."""
        types = {"adaptive": self.adaptive, "enabled": self.budget, "disabled": self.silent}
        efforts = {level: {"supported": self.adaptive} for level in ("low", "medium", "high", "xhigh", "max")}
        return {
            "type": "model",
            "id": self.name,
            "display_name": self.name.title(),
            "created_at": "2026-01-01T00:00:00Z",
            "max_input_tokens": self.context,
            "max_tokens": self.answer,
            "lifecycle": self.lifecycle,
            "retires_at": self.retires_at,
            "capabilities": {
                "image_input": {"supported": self.vision},
                "pdf_input": {"supported": self.vision},
                "structured_outputs": {"supported": self.schemas},
                "effort": {"supported": self.adaptive, **efforts},
                "thinking": {
                    "supported": self.adaptive or self.budget,
                    "types": {name: {"supported": value} for name, value in types.items()},
                },
            },
        }


OLDER = Model("claude-haiku-4-5-20251001")
NEWER = Model("claude-opus-5", budget=False, adaptive=True, context=1_000_000, answer=128_000)
#: It has neither schemas nor thoughts.
OLDEST = Model("claude-3-5-haiku-20241022", budget=False, schemas=False, answer=8192)


@dataclass(frozen=True, slots=True)
class Said:
    """What it answers: the last thing that it was told, or the call of a tool."""

    model: str
    blocks: tuple[dict[str, Any], ...]
    usage: dict[str, Any]
    reason: str = "end_turn"
    details: dict[str, Any] | None = None


def said_of(body: dict[str, Any]) -> Said:
    """What *body* is answered with."""
    blocks: list[dict[str, Any]] = []
    thinking = (body.get("thinking") or {}).get("type")
    if thinking in {"enabled", "adaptive"}:
        blocks.append({"type": "thinking", "thinking": _THOUGHT, "signature": signature_of(_THOUGHT)})
    words, text = texts_of(body), _last_text(body)
    limit = body["max_tokens"]
    tool = _tool(body)
    if tool is not None:
        call = {"type": "tool_use", "id": "toolu_01", "name": tool, "input": {"a": 1}}
        blocks.append(call)
        reason = "tool_use"
    else:
        blocks.append({"type": "text", "text": " ".join(text.split()[:limit]) or "nothing"})
        reason = "max_tokens" if len(text.split()) > limit else "end_turn"
    marked = _marks(body)
    usage = {
        "input_tokens": len(words) + 3,
        "cache_creation_input_tokens": 5 if marked else 0,
        "cache_read_input_tokens": 7 if marked else 0,
        "output_tokens": 11,
        "service_tier": "standard",
    }
    return Said(body["model"], tuple(blocks), usage, reason)


def whole(said: Said) -> dict[str, Any]:
    """A whole answer."""
    return {**_message(said), "content": list(said.blocks), **_ending(said), "usage": said.usage}


def events(said: Said) -> list[dict[str, Any]]:
    """The same as events, with a ``ping`` where the real one has it and one that nobody knows."""
    start = {**_message(said), "content": [], "stop_reason": None, "stop_sequence": None}
    start["usage"] = {**said.usage, "output_tokens": 1}
    found: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(said.blocks):
        found += [{**event, "index": index} for event in _block_events(block)]
        if index == 0:
            found += [{"type": "ping"}, {"type": "something_new", "delta": "of another type"}]
    usage = {"output_tokens": said.usage["output_tokens"], "output_tokens_details": {"thinking_tokens": 4}}
    return [*found, {"type": "message_delta", "delta": _ending(said), "usage": usage}, {"type": "message_stop"}]


def signature_of(thought: str) -> str:
    """What proves that it thought that."""
    return sha256(thought.encode()).hexdigest()


def texts_of(body: dict[str, Any]) -> list[str]:
    """All words that it was told."""
    blocks = [block for turn in body["messages"] for block in blocks_of(turn["content"])]
    return " ".join(str(block.get("text", "")) for block in [*blocks_of(body.get("system") or []), *blocks]).split()


def blocks_of(content: object) -> list[dict[str, Any]]:
    """Content as blocks, which a text is short for."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)  # type: ignore[call-overload]


def _message(said: Said) -> dict[str, Any]:
    return {"id": "msg_01", "type": "message", "role": "assistant", "model": said.model}


def _ending(said: Said) -> dict[str, Any]:
    ending = {"stop_reason": said.reason, "stop_sequence": None}
    return {**ending, "stop_details": said.details} if said.details else ending


def _block_events(block: dict[str, Any]) -> list[dict[str, Any]]:
    empty = {key: type(value)() if key in {"text", "thinking", "signature", "input"} else value
             for key, value in block.items()}  # fmt: skip
    deltas: list[dict[str, Any]] = []
    if block["type"] == "text":
        pieces = [word if number == 0 else f" {word}" for number, word in enumerate(block["text"].split())]
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    elif block["type"] == "thinking":
        deltas = [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    elif block["type"] == "tool_use":
        text = json.dumps(block["input"]) if block["input"] else ""
        # It begins with nothing, and a tool without arguments gets no more than that.
        pieces = ["", text[:3], text[3:]] if text else [""]
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    start = {"type": "content_block_start", "content_block": empty}
    return [
        start,
        *[{"type": "content_block_delta", "delta": delta} for delta in deltas],
        {"type": "content_block_stop"},
    ]


def _last_text(body: dict[str, Any]) -> str:
    blocks = blocks_of(body["messages"][-1]["content"])
    texts = [block.get("text") or block.get("content") or block["type"] for block in blocks]
    last = texts[-1]
    return last if isinstance(last, str) else str(last[-1].get("text", last[-1]["type"]))


def _tool(body: dict[str, Any]) -> str | None:
    """The tool that it calls: the one it must, else the first."""
    choice, tools = body.get("tool_choice") or {"type": "auto"}, body.get("tools") or []
    if not tools or choice["type"] == "none":
        return None
    return str(choice.get("name") or tools[0]["name"])


def _marks(body: dict[str, Any]) -> int:
    return json.dumps(body).count('"cache_control"')
