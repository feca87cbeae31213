"""A JSON schema as Anthropic takes one to hold a model to. Pure.

It refuses what it cannot enforce; so lengths, ranges and the like become words in the description, as Anthropic's own
libraries do, and objects are closed.
"""

from __future__ import annotations

from typing import Any

import msgspec

_WORDS = frozenset({
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern",
    "maxItems", "uniqueItems", "contains", "minContains", "maxContains", "minProperties", "maxProperties",
    "propertyNames", "patternProperties", "dependentRequired", "dependentSchemas", "not", "if", "then", "else",
})  # fmt: skip
_DROPPED = frozenset({"$schema", "$id", "$comment", "examples", "strict"})
_FORMATS = frozenset({
    "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
})  # fmt: skip
_NAMED, _LISTED = frozenset({"properties", "$defs", "definitions"}), frozenset({"anyOf", "allOf"})


def fitted(schema: msgspec.Raw) -> dict[str, Any]:
    """The same schema. Raises msgspec.DecodeError, RecursionError."""
    return _fit(msgspec.json.decode(schema, type=dict[str, Any]))


def _fit(schema: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    words: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _WORDS or (key == "minItems" and value not in (0, 1)) or (key == "format" and value not in _FORMATS):
            words[key] = value
        elif key not in _DROPPED:
            made["anyOf" if key == "oneOf" else key] = _inside(key, value)
    if made.get("type") == "object" or "properties" in made:
        made["additionalProperties"] = False
    if words:
        said = ", ".join(f"{key}: {msgspec.json.encode(value).decode()}" for key, value in words.items())
        made["description"] = f"{made.get('description', '')} {{{said}}}".strip()
    return made


def _inside(key: str, value: Any) -> Any:
    """What stands under *key*, fitted where it is a schema, or several."""
    if key in _NAMED and isinstance(value, dict):
        return {name: _fit(each) if isinstance(each, dict) else each for name, each in value.items()}
    if key in _LISTED or key == "oneOf":
        return [_fit(each) if isinstance(each, dict) else each for each in value] if isinstance(value, list) else value
    return _fit(value) if key == "items" and isinstance(value, dict) else value
