"""What may be asked of an answer's form: a grammar or a JSON schema. Pure; knows nothing about what they mean.

llama.cpp checks whether they are right; here is refused what would overrun its stack or keep it busy for minutes, in
which no other request of that model would be served.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import msgspec

from roundhouse.backends.wire.fields import may_name
from roundhouse.core.errors import SchemaError
from roundhouse.core.inference import InferenceRequest, Operation

#: Names of what constrains an answer; they are looked for before the body is parsed. Tools become a grammar, too.
_FIELDS = (b"grammar", b"json_schema", b"response_format", b"tools")
#: Bytes, and brackets inside each other. What people write stays under a tenth of it.
_LONGEST, _DEEPEST = 64 << 10, 200
#: Agents bring many tools, whose schemas are long and simple: 256 KiB of them took llama.cpp 0.3 s.
_LONGEST_TOOLS = 256 << 10
_JSON = ("json_schema", "json_object")
_ANY_OBJECT = msgspec.Raw(b'{"type":"object"}')
_STEP = {"(": 1, ")": -1}


class _Named(msgspec.Struct):
    schema: msgspec.Raw = _ANY_OBJECT


class _Format(msgspec.Struct):
    type: str
    json_schema: _Named = msgspec.field(default_factory=_Named)


class _Function(msgspec.Struct):
    parameters: msgspec.Raw = msgspec.Raw(b"")


class _Tool(msgspec.Struct):
    function: _Function = msgspec.field(default_factory=_Function)


class _Constraint(msgspec.Struct):
    grammar: str | None = None
    json_schema: msgspec.Raw = msgspec.Raw(b"")
    response_format: msgspec.Raw = msgspec.Raw(b"")
    tools: list[_Tool] | None = None


def fitted(request: InferenceRequest) -> InferenceRequest:
    """*request* with the form of its answer as llama.cpp takes it. Raises SchemaError: it cannot hold to that."""
    body = request.body
    if not may_name(body, *_FIELDS):
        return request
    asked = _read(body)
    _check(asked)
    if request.profile.operation is not Operation.COMPLETION or not asked.response_format:
        return request
    # Of completions llama.cpp reads the schema alone, and ignores the rest in silence.
    try:
        form = msgspec.json.decode(asked.response_format, type=_Format | None)
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"response_format: {error}"
        raise SchemaError(message, details={"param": "response_format"}) from None
    if form is not None and form.type in _JSON:
        fields.setdefault("json_schema", form.json_schema.schema)
    return replace(request, body=msgspec.json.encode(fields))


def _read(body: bytes) -> _Constraint:
    try:
        return msgspec.json.decode(body, type=_Constraint)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"the body cannot be read: {error}"
        raise SchemaError(message) from None


def _check(asked: _Constraint) -> None:
    _check_length("json_schema", len(bytes(asked.json_schema)))
    _check_length("response_format", len(bytes(asked.response_format)))
    # Of all tools one grammar is made.
    _check_length("tools", sum(len(bytes(tool.function.parameters)) for tool in asked.tools or ()), _LONGEST_TOOLS)
    if asked.grammar is not None:
        _check_length("grammar", len(asked.grammar))
        if max(accumulate(_STEP.get(char, 0) for char in asked.grammar), default=0) > _DEEPEST:
            message = f"grammar: more than {_DEEPEST} brackets inside each other"
            raise SchemaError(message, details={"param": "grammar"})


def _check_length(field: str, length: int, longest: int = _LONGEST) -> None:
    if length > longest:
        message = f"{field}: longer than {longest >> 10} KiB, which would keep the model busy for minutes"
        raise SchemaError(message, hint="a shorter list of choices does it, too", details={"param": field})
