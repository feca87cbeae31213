"""What may be asked of an answer's form: a grammar or a JSON schema. Pure; knows nothing about what they mean.

llama.cpp checks whether they are right; here is refused what would overrun its stack or keep it busy for minutes, in
which no other request of that model would be served.
"""

from __future__ import annotations

from itertools import accumulate

import msgspec

from roundhouse.core.errors import SchemaError

#: Names of what constrains an answer; they are looked for before the body is parsed.
_FIELDS = (b'"grammar"', b'"json_schema"', b'"response_format"')
#: Bytes, and brackets inside each other. What people write stays under a tenth of it.
_LONGEST, _DEEPEST = 64 << 10, 200
_STEP = {"(": 1, ")": -1}


class _Constraint(msgspec.Struct):
    grammar: str | None = None
    json_schema: msgspec.Raw = msgspec.Raw(b"")
    response_format: msgspec.Raw = msgspec.Raw(b"")


def check(body: bytes) -> None:
    """Refuse a form that llama.cpp cannot hold an answer to. Raises SchemaError."""
    if not any(field in body for field in _FIELDS):
        return
    try:
        asked = msgspec.json.decode(body, type=_Constraint)
    except (msgspec.DecodeError, RecursionError) as error:
        message = f"the body cannot be read: {error}"
        raise SchemaError(message) from None
    _check_length("json_schema", asked.json_schema)
    _check_length("response_format", asked.response_format)
    if asked.grammar is not None:
        _check_length("grammar", asked.grammar)
        if max(accumulate(_STEP.get(char, 0) for char in asked.grammar), default=0) > _DEEPEST:
            message = f"grammar: more than {_DEEPEST} brackets inside each other"
            raise SchemaError(message, details={"param": "grammar"})


def _check_length(field: str, value: str | msgspec.Raw) -> None:
    if len(bytes(value) if isinstance(value, msgspec.Raw) else value) > _LONGEST:
        message = f"{field}: longer than {_LONGEST >> 10} KiB, which would keep the model busy for minutes"
        raise SchemaError(message, hint="a shorter list of choices does it, too", details={"param": field})
