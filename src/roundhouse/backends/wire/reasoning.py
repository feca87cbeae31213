"""What a model thought, under the name that most clients look for. Knows nothing about who said it.

DeepSeek called it ``reasoning_content``, and so do Ollama's and llama.cpp's answers here; vLLM since 0.12, OpenRouter,
Groq and Cerebras say ``reasoning``. Clients know one or the other, so what has one gets both.
"""

from __future__ import annotations

import msgspec

from roundhouse.backends.wire.fields import may_name

_OLD, _NEW = "reasoning_content", "reasoning"
_NEEDLE = _NEW.encode()

_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_encode = msgspec.json.Encoder().encode


def with_both_names(data: bytes) -> bytes:
    """A chunk or an answer with ``reasoning_content`` beside each ``reasoning``; anything else as it is."""
    if not may_name(data, _NEEDLE):
        return data
    try:
        whole = _object(data)
        choices = _objects(whole["choices"])
        if not sum(_named(choice, key) for choice in choices for key in ("delta", "message")):
            return data
    except (msgspec.DecodeError, KeyError, RecursionError, UnicodeDecodeError):
        return data  # it was read before, as far as it matters
    whole["choices"] = msgspec.Raw(_encode(choices))
    return _encode(whole)


def _named(choice: dict[str, msgspec.Raw], key: str) -> bool:
    """Whether that part of *choice* says what was thought under the new name alone; then it says it under both."""
    if key not in choice or not bytes(choice[key]).startswith(b"{"):
        return False
    part = _object(choice[key])
    if _OLD in part or _NEW not in part or not bytes(part[_NEW]).startswith(b'"'):
        return False
    part[_OLD] = part[_NEW]
    choice[key] = msgspec.Raw(_encode(part))
    return True
