"""Tools and schemas of a request as Google's API must get them. Pure.

Schemas go into the fields for JSON Schema (``parametersJsonSchema``, ``responseJsonSchema``), which ignore what Google
does not know; the older fields refuse the whole request for one such word. ``const`` is one of those, and is written
as an ``enum`` of one.
"""

from __future__ import annotations

import msgspec

from roundhouse.backends.wire.fields import may_name
from roundhouse.core.errors import SchemaError

_DEEPEST = 64
_NO_SCHEMA = (b"", b"null")
#: Words whose value is named by somebody else, so that ``const`` below it is a name.
_NAMES = ("properties", "$defs", "definitions", "patternProperties")


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    #: Raw also when null, for a union with ``None`` refuses objects.
    parameters: msgspec.Raw = msgspec.Raw()


class _Tool(msgspec.Struct):
    type: str = "function"
    function: _Function | None = None


class _Named(msgspec.Struct):
    name: str


class _Chosen(msgspec.Struct):
    type: str = "function"
    function: _Named | None = None


class _Allowed(msgspec.Struct):
    mode: str = "auto"
    tools: list[_Chosen] = []


class _Choice(msgspec.Struct):
    type: str = "function"
    function: _Named | None = None
    allowed_tools: _Allowed | None = None


_MODES = {"none": "NONE", "required": "ANY"}


def tools_of(tools: msgspec.Raw | None, choice: msgspec.Raw | None, *, one_by_one: bool = False) -> dict[str, object]:
    """The fields ``tools`` and ``toolConfig``, as far as there is something to say. Raises SchemaError."""
    if tools is None:
        return {}
    declared = [_declaration(tool) for tool in msgspec.json.decode(tools, type=list[_Tool])]
    if not declared:
        return {}
    if one_by_one and len(declared) > 1:
        message = "Gemini has no word for parallel_tool_calls as it is here: it may call several tools at once"
        raise SchemaError(message, hint="leave parallel_tool_calls out, or offer one tool")
    mode, names = _chosen(choice)
    if names is not None and mode is None:
        # Google can only be told names together with the duty to call one: what is not allowed is not offered.
        declared = [each for each in declared if each["name"] in names]
    made: dict[str, object] = {"tools": [{"functionDeclarations": declared}]}
    if mode is not None:
        config = {"mode": mode} if names is None else {"mode": mode, "allowedFunctionNames": names}
        made["toolConfig"] = {"functionCallingConfig": config}
    return made


def _declaration(tool: _Tool) -> dict[str, object]:
    if tool.type != "function" or tool.function is None:
        message = f"Gemini's tools are functions, not {tool.type!r}"
        raise SchemaError(message)
    function = tool.function
    made: dict[str, object] = {"name": function.name}
    if function.description:
        made["description"] = function.description
    if bytes(function.parameters) not in _NO_SCHEMA:
        made["parametersJsonSchema"] = schema_of(function.parameters)
    return made


def _chosen(choice: msgspec.Raw | None) -> tuple[str | None, list[str] | None]:
    """The mode, and the names that it is limited to."""
    if choice is None:
        return None, None
    said = msgspec.json.decode(choice, type=str | _Choice)
    if isinstance(said, str):
        if said != "auto" and said not in _MODES:
            message = f"tool_choice is {said!r}, which Gemini has no word for"
            raise SchemaError(message)
        return _MODES.get(said), None
    if said.allowed_tools is not None:
        names = [tool.function.name for tool in said.allowed_tools.tools if tool.function is not None]
        return _MODES.get(said.allowed_tools.mode), names
    if said.function is None:
        message = f"tool_choice is of type {said.type!r}, which Gemini has no word for"
        raise SchemaError(message)
    return "ANY", [said.function.name]


def schema_of(schema: msgspec.Raw) -> object:
    """The same schema in words that Google heeds; untouched, and not even read, when it is in such words already."""
    text = bytes(schema)
    if not may_name(text, b"const"):
        return schema
    return _tidied(msgspec.json.decode(text), _DEEPEST)


def _tidied(schema: object, deepest: int) -> object:
    if not deepest:
        message = f"a schema is nested more than {_DEEPEST} deep"
        raise SchemaError(message)
    if isinstance(schema, list):
        return [_tidied(each, deepest - 1) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made: dict[object, object] = {}
    for word, value in schema.items():
        if word in _NAMES and isinstance(value, dict):
            made[word] = {name: _tidied(each, deepest - 1) for name, each in value.items()}
        elif word == "const":
            made.setdefault("enum", [value])
        elif word in ("enum", "default", "examples", "required"):
            made[word] = value
        else:
            made[word] = _tidied(value, deepest - 1)
    return made
