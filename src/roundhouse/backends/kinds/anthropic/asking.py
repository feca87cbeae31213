"""OpenAI's bodies as the Messages API must get them. Pure; knows nothing about HTTP.

What Anthropic has no word for is refused where the client would otherwise read something else than it asked for, and
dropped where it is a hint: seeds, penalties, biases and the like, as in Anthropic's own layer for OpenAI's clients.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from roundhouse.backends.kinds.anthropic.config import Policy
from roundhouse.backends.kinds.anthropic.messages import Conversation, conversation_of
from roundhouse.backends.kinds.anthropic.nature import Nature
from roundhouse.backends.kinds.anthropic.parts import Block, text_block
from roundhouse.backends.kinds.anthropic.thinking import Room, Thinking, thinking_of
from roundhouse.backends.kinds.anthropic.tools import choice_of, shape_of, tools_called, tools_of
from roundhouse.core.errors import SchemaError

Fields = dict[str, msgspec.Raw]

_fields = msgspec.json.Decoder(Fields).decode
_encode = msgspec.json.Encoder().encode
_NULL = msgspec.Raw(b"null")
#: What the client may say in Anthropic's own words.
_OWN = ("cache_control", "container", "context_management", "mcp_servers", "inference_geo", "speed")
_ONE = (b"1", b"1.0")
#: By name, the values that change nothing.
_HARMLESS: dict[str, tuple[bytes, ...]] = {
    "n": _ONE, "best_of": _ONE, "logprobs": (b"false",), "top_logprobs": (b"0",), "modalities": (b'["text"]',),
    "audio": (), "functions": (b"[]",), "function_call": (b'"none"',), "web_search_options": (), "suffix": (b'""',),
}  # fmt: skip
#: What a client may be called: an address of a person is not told, and Anthropic refuses it.
_USER = re.compile(r"(?!\+?[\d\s()-]{7,}$)[^@]{1,256}")
_TIERS = (b'"auto"', b'"standard_only"')


class _Metadata(msgspec.Struct):
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request in Anthropic's words, but for the model."""

    fields: dict[str, object]
    #: Whether the answer is what a tool is called with.
    by_tool: bool = False

    def body(self, model: str, *, stream: bool) -> bytes:
        """The bytes to send."""
        return _encode({"model": model, **self.fields, "stream": stream})


def asked(body: bytes, nature: Nature, policy: Policy) -> Asked:
    """*body* for a model of that *nature*. Raises SchemaError."""
    try:
        given = {name: raw for name, raw in _fields(body).items() if raw != _NULL}
        _refuse(given)
        return _asked(given, nature, policy)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        message = f"the body is not what it should be: {error}"
        raise SchemaError(message) from error


def _refuse(given: Fields) -> None:
    for name, harmless in _HARMLESS.items():
        if name in given and bytes(given[name]) not in harmless:
            message = f"{name}: Anthropic has no such thing"
            raise SchemaError(message, hint=f"leave {name} out, or choose a model of another backend")


def _asked(given: Fields, nature: Nature, policy: Policy) -> Asked:
    said = conversation_of(given.get("messages"))
    offered, shape = tools_of(given, nature), shape_of(given, nature)
    tools = offered + ([shape.tool] if shape.tool else [])
    choice = choice_of(given, offered=bool(offered), answering=shape.tool is not None)
    if not tools and said.called:
        tools, choice = tools_called(said.called), {"type": "none"}
    forced = choice is not None and choice["type"] in {"any", "tool"}
    thinking = thinking_of(given, nature, _room(given, nature, policy, closed=forced or said.lost_its_thoughts))
    if shape.sentence:
        said.system.append(text_block(shape.sentence))
    if policy.cache and "cache_control" not in given:
        _mark(said, tools, policy.cache)
    fields: dict[str, object] = {"max_tokens": thinking.max_tokens}
    if said.system:
        fields["system"] = said.system
    fields["messages"] = said.turns
    if tools:
        fields["tools"] = tools
    if choice:
        fields["tool_choice"] = choice
    fields |= {name: given[name] for name in _OWN if name in given}
    _add_thinking(fields, given, thinking, shape.format)
    fields |= _sampling(given, nature, thinking) | _stops(given) | _account(given)
    return Asked(fields, by_tool=shape.tool is not None)


def _room(given: Fields, nature: Nature, policy: Policy, *, closed: bool) -> Room:
    raw = given.get("max_completion_tokens", given.get("max_tokens"))
    limit = None if raw is None else msgspec.json.decode(raw, type=int)
    return Room(limit, policy.usual_answer(nature.answer), closed)


def _add_thinking(fields: dict[str, object], given: Fields, thinking: Thinking, form: dict[str, object] | None) -> None:
    if thinking.thinking is not None:
        fields["thinking"] = thinking.thinking
    output: dict[str, object] = {}
    if "output_config" in given:
        output |= _fields(given["output_config"])
    if thinking.effort is not None:
        output.setdefault("effort", thinking.effort)
    if form is not None:
        output["format"] = form
    if output:
        fields["output_config"] = output


def _sampling(given: Fields, nature: Nature, thinking: Thinking) -> dict[str, object]:
    """How to choose tokens: temperature or top_p, for both is refused; nothing while thinking, for that is too."""
    if not nature.samples or thinking.on:
        return {}
    temperature, top_p = _number(given, "temperature"), _number(given, "top_p")
    found: dict[str, object] = {"top_k": given["top_k"]} if "top_k" in given else {}
    if top_p is not None and top_p < 1.0 and temperature in (None, 1.0):
        return {**found, "top_p": top_p}
    if temperature is not None:
        found["temperature"] = min(max(temperature, 0.0), 1.0)
    return found


def _number(given: Fields, name: str) -> float | None:
    return msgspec.json.decode(given[name], type=float) if name in given else None


def _stops(given: Fields) -> dict[str, object]:
    if "stop" not in given:
        return {}
    stop = msgspec.json.decode(given["stop"], type=str | list[str])
    stops = [stop] if isinstance(stop, str) else stop
    if any(not each or each.isspace() for each in stops):
        message = "stop: Anthropic does not stop at white space"
        raise SchemaError(message, hint="leave it out of stop")
    return {"stop_sequences": stops} if stops else {}


def _account(given: Fields) -> dict[str, object]:
    """For whom it is, as far as that is no person's address, and how urgent, in words that both know."""
    found: dict[str, object] = {}
    user = None
    if "metadata" in given:
        user = msgspec.json.decode(given["metadata"], type=_Metadata).user_id
    for name in ("safety_identifier", "user"):
        if user is None and name in given:
            user = msgspec.json.decode(given[name], type=str)
    if user is not None and _USER.fullmatch(user):
        found["metadata"] = {"user_id": user}
    if bytes(given.get("service_tier", b"")) in _TIERS:
        found["service_tier"] = given["service_tier"]
    return found


def _mark(said: Conversation, tools: list[Block | msgspec.Raw], mark: msgspec.Raw) -> None:
    """Breakpoints after the tools, the system's words and the last turn; none where the client set its own."""
    if said.is_marked or any(_is_marked(tool) for tool in tools):
        return
    last = [tools[-1]] if tools else []
    for block in (*last, *said.system[-1:], said.turns[-1].content[-1]):
        if isinstance(block, dict) and block.get("type") not in {"thinking", "redacted_thinking"}:
            block["cache_control"] = mark


def _is_marked(tool: Block | msgspec.Raw) -> bool:
    return "cache_control" in (tool if isinstance(tool, dict) else _fields(tool))
