"""What Anthropic refuses with 400, in its words as far as they are known. Knows nothing about HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from roundhouse.testing.anthropic_shapes import Model, blocks_of, signature_of

_FIELDS = frozenset({
    "model", "max_tokens", "messages", "system", "tools", "tool_choice", "stream", "temperature", "top_p", "top_k",
    "stop_sequences", "thinking", "metadata", "output_config", "service_tier", "cache_control", "container",
    "context_management", "mcp_servers", "inference_geo", "speed",
})  # fmt: skip
_TOOL_FIELDS = frozenset({"name", "description", "input_schema", "strict", "cache_control", "type"})
_MOST_MARKS = 4
_LEAST_BUDGET = 1024
_UNENFORCEABLE = re.compile(r'"(minimum|maximum|minLength|maxLength|pattern|oneOf)":')


def complaint(body: dict[str, Any], model: Model) -> str | None:
    """The first thing that is wrong with *body*, for *model*."""
    checks: tuple[Callable[[dict[str, Any], Model], Iterator[str]], ...] = (
        _fields, _turns, _results, _thoughts, _tools, _sampling, _thinking, _formats,
    )  # fmt: skip
    return next((wrong for check in checks for wrong in check(body, model)), None)


def _fields(body: dict[str, Any], _model: Model) -> Iterator[str]:
    missing = sorted({"max_tokens", "messages"} - body.keys())
    yield from (f"{name}: Field required" for name in missing)
    extra = [*(body.keys() - _FIELDS), *((body.get("metadata") or {}).keys() - {"user_id"})]
    yield from (f"{name}: Extra inputs are not permitted" for name in extra)
    if json.dumps(body).count('"cache_control"') > _MOST_MARKS:
        yield "A maximum of 4 blocks with cache_control may be provided."
    for stop in body.get("stop_sequences") or ():
        if not stop.strip():
            yield "stop_sequences: each stop sequence must contain non-whitespace"


def _turns(body: dict[str, Any], _model: Model) -> Iterator[str]:
    if not body["messages"]:
        yield "messages: at least one message is required"
    for turn in body["messages"]:
        if turn["role"] not in {"user", "assistant"}:
            yield f'messages: Unexpected role "{turn["role"]}"'
        for block in blocks_of(turn["content"]):
            if block["type"] == "text" and not block["text"].strip():
                yield "messages: text content blocks must contain non-whitespace text"
            if block["type"] == "tool_use" and not re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"]):
                yield "messages: tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
    last = body["messages"][-1]
    if last["role"] == "assistant" and blocks_of(last["content"])[-1].get("text", "")[-1:].isspace():
        yield "messages: final assistant content cannot end with trailing whitespace"


def _results(body: dict[str, Any], _model: Model) -> Iterator[str]:
    """Each call has its result in the turn after it, before anything else."""
    turns = [(turn["role"], blocks_of(turn["content"])) for turn in body["messages"]]
    for number, (_, blocks) in enumerate(turns):
        calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
        after = turns[number + 1][1] if number + 1 < len(turns) else []
        results = {block["tool_use_id"] for block in after[: len(calls)] if block["type"] == "tool_result"}
        if calls != results:
            yield "messages: `tool_use` ids were found without `tool_result` blocks immediately after"
    mentioned = any(block["type"] == "tool_use" for _, blocks in turns for block in blocks)
    if mentioned and not body.get("tools"):
        yield "Requests which include `tool_use` or `tool_result` blocks must define tools"


def _thoughts(body: dict[str, Any], _model: Model) -> Iterator[str]:
    for turn in body["messages"]:
        for block in blocks_of(turn["content"]):
            if block["type"] == "thinking" and block["signature"] != signature_of(block["thinking"]):
                yield "messages: Invalid `signature` in `thinking` block"


def _tools(body: dict[str, Any], model: Model) -> Iterator[str]:
    if body.get("tool_choice") and not body.get("tools"):
        yield "tool_choice: may only be specified while providing `tools`"
    for tool in body.get("tools") or ():
        for name in tool if "input_schema" in tool else ():
            if name not in _TOOL_FIELDS:
                yield f"tools.{name}: Extra inputs are not permitted"
        if "input_schema" in tool and tool["input_schema"].get("type") != "object":
            yield "tools.input_schema.type: Field required"
        if tool.get("strict"):
            yield from _schema(tool["input_schema"], model)


def _sampling(body: dict[str, Any], model: Model) -> Iterator[str]:
    for name in ("temperature", "top_p", "top_k"):
        if name in body and not model.samples:
            yield f"`{name}` is deprecated for this model."
    if not 0 <= body.get("temperature", 0) <= 1:
        yield "temperature: range: 0..1"
    if "temperature" in body and "top_p" in body:
        yield "`temperature` and `top_p` cannot both be specified for this model."


def _thinking(body: dict[str, Any], model: Model) -> Iterator[str]:
    thinking = body.get("thinking") or {"type": "none"}
    kind = thinking["type"]
    taken = {"enabled": model.budget, "adaptive": model.adaptive, "disabled": model.silent, "none": True}
    if not taken[kind]:
        yield f'"thinking.type.{kind}" is not supported for this model.'
    if kind in {"enabled", "adaptive"} and body.get("temperature", 1) != 1:
        yield "`temperature` may only be set to 1 when thinking is enabled."
    if kind != "enabled":
        return
    if not _LEAST_BUDGET <= thinking["budget_tokens"] < body["max_tokens"]:
        yield "`max_tokens` must be greater than `thinking.budget_tokens`, which must be at least 1024"
    if (body.get("tool_choice") or {}).get("type") in {"any", "tool"}:
        yield "Thinking may not be enabled when tool_choice forces tool use."
    turns = body["messages"]
    if blocks_of(turns[-1]["content"])[0]["type"] == "tool_result":
        before = blocks_of(turns[-2]["content"])[0]["type"]
        if before not in {"thinking", "redacted_thinking"}:
            yield f"Expected `thinking` or `redacted_thinking`, but found `{before}`."


def _formats(body: dict[str, Any], model: Model) -> Iterator[str]:
    output = body.get("output_config") or {}
    if "effort" in output and not model.adaptive:
        yield "output_config.effort: not supported by this model"
    if "format" in output:
        yield from _schema(output["format"]["schema"], model)


def _schema(schema: dict[str, Any], model: Model) -> Iterator[str]:
    text = json.dumps(schema)
    if not model.schemas:
        yield "structured outputs are not supported by this model"
    if text.count('"type": "object"') != text.count('"additionalProperties": false'):
        yield "For 'object' type, 'additionalProperties' must be explicitly set to false"
    if (found := _UNENFORCEABLE.search(text)) is not None:
        yield f"For 'object' type, property '{found[1]}' is not supported"
