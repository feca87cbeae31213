"""Tools, and which may be called, in Anthropic's words; and an answer of a given shape as one of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from roundhouse.backends.kinds.anthropic.nature import Nature
from roundhouse.backends.kinds.anthropic.parts import Block, is_given, marked
from roundhouse.backends.kinds.anthropic.schemas import fitted
from roundhouse.core.errors import SchemaError

Fields = dict[str, msgspec.Raw]

_NOTHING = msgspec.Raw()
_OBJECT = msgspec.Raw(b'{"type":"object"}')
#: The tool that a model without schemas calls to give an answer of a given shape.
ANSWER_TOOL = "answer_in_json"
_CALL_IT = "Give the final answer to the user by calling this tool once, with the whole answer as its input."
_IN_JSON = "Answer with one JSON object and nothing else."
_CHOICES = {"auto": "auto", "required": "any", "any": "any", "none": "none"}


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = _NOTHING
    strict: bool | None = None
    cache_control: msgspec.Raw = _NOTHING


class _Tool(msgspec.Struct):
    type: str = "function"
    function: _Function | None = None
    custom: msgspec.Raw = _NOTHING
    cache_control: msgspec.Raw = _NOTHING


class _Named(msgspec.Struct):
    name: str


class _Choice(msgspec.Struct):
    type: str
    function: _Named | None = None
    name: str | None = None


class _Typed(msgspec.Struct):
    type: msgspec.Raw = _NOTHING


class _Schema(msgspec.Struct):
    schema: msgspec.Raw = _NOTHING


class _Format(msgspec.Struct):
    type: str = "text"
    json_schema: _Schema | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape that the answer must have, as a model can be told: by schema, by a tool, or by a sentence."""

    format: dict[str, object] | None = None
    tool: Block | None = None
    sentence: str | None = None


def tools_of(given: Fields, nature: Nature) -> list[Block | msgspec.Raw]:
    """The tools that a client offers; Anthropic's own go through as they came. Raises SchemaError."""
    raw = given.get("tools")
    if raw is None:
        return []
    found = []
    for each in msgspec.json.decode(raw, type=list[msgspec.Raw]):
        tool = msgspec.json.decode(each, type=_Tool)
        if is_given(tool.custom):
            message = "tools: Anthropic has no tools that take free text (type custom)"
            raise SchemaError(message)
        found.append(each if tool.function is None else _tool(tool, tool.function, nature))
    return found


def tools_called(names: Iterable[str]) -> list[Block | msgspec.Raw]:
    """Tools that were only called earlier: Anthropic wants all that a conversation mentions."""
    return [{"name": name, "input_schema": _OBJECT} for name in names]


def shape_of(given: Fields, nature: Nature) -> Shape:
    """What ``response_format`` asks for. Raises SchemaError, msgspec.DecodeError."""
    form = msgspec.json.decode(given.get("response_format", b"{}"), type=_Format)
    if form.type == "text":
        return Shape()
    if form.type == "json_object":
        return Shape(sentence=_IN_JSON) if nature.schemas else Shape(tool=_answer(_OBJECT))
    if form.type != "json_schema" or form.json_schema is None or not is_given(form.json_schema.schema):
        message = "response_format: there is text, json_object and json_schema with a schema"
        raise SchemaError(message)
    if nature.schemas:
        return Shape({"type": "json_schema", "schema": fitted(form.json_schema.schema)})
    return Shape(tool=_answer(_as_object(form.json_schema.schema)))


def choice_of(given: Fields, *, offered: bool, answering: bool) -> Block | None:
    """Which tool is to be called, when any are *offered*; *answering* is by a tool. Raises SchemaError."""
    choice = _chosen(given) if offered else None
    if answering and (choice is None or choice["type"] in {"auto", "none"}):
        choice = {"type": "any"} if offered and choice != {"type": "none"} else {"type": "tool", "name": ANSWER_TOOL}
    if offered and bytes(given.get("parallel_tool_calls", b"")) == b"false":
        choice = choice or {"type": "auto"}
        if choice["type"] != "none":
            choice["disable_parallel_tool_use"] = True
    return choice


def _chosen(given: Fields) -> Block | None:
    raw = given.get("tool_choice")
    if raw is None:
        return None
    choice = msgspec.json.decode(raw, type=str | _Choice)
    kind, name = (choice, None) if isinstance(choice, str) else (choice.type, choice.name)
    if isinstance(choice, _Choice) and choice.function is not None:
        name = choice.function.name
    if kind in _CHOICES:
        return {"type": _CHOICES[kind]}
    if kind in {"function", "tool"} and name is not None:
        return {"type": "tool", "name": name}
    message = f"tool_choice: Anthropic knows auto, none, required and one function, not {kind!r}"
    raise SchemaError(message)


def _tool(tool: _Tool, function: _Function, nature: Nature) -> Block:
    made: Block = {"name": function.name}
    if function.description:
        made["description"] = function.description
    strict = bool(function.strict) and nature.schemas
    made["input_schema"] = fitted(function.parameters) if strict else _as_object(function.parameters)
    if strict:
        made["strict"] = True
    return marked(made, tool.cache_control if is_given(tool.cache_control) else function.cache_control)


def _as_object(schema: msgspec.Raw) -> msgspec.Raw:
    """The schema of an object, which Anthropic wants to be called one."""
    if not is_given(schema):
        return _OBJECT
    if is_given(msgspec.json.decode(schema, type=_Typed).type):
        return schema
    fields = msgspec.json.decode(schema, type=dict[str, msgspec.Raw])
    return msgspec.Raw(msgspec.json.encode({"type": "object", **fields}))


def _answer(schema: msgspec.Raw) -> Block:
    return {"name": ANSWER_TOOL, "description": _CALL_IT, "input_schema": schema}
