"""Small GGUF files for tests, valid or broken on purpose. Knows nothing about models: its numbers mean nothing."""

from __future__ import annotations

import struct
from collections.abc import Mapping

Value = int | str | bool | float | list[str] | tuple[int, ...]

_ALIGNMENT = 32
_U32, _U64, _F32 = struct.Struct("<I"), struct.Struct("<Q"), struct.Struct("<f")


def a_gguf(weights: bytes = bytes(64), *, architecture: str = "llama", file_type: int = 15, **metadata: Value) -> bytes:
    """A file with one tensor of float32 whose bytes are *weights*; keywords become keys, ``__`` standing for a dot."""
    keys: dict[str, Value] = {
        "general.architecture": architecture,
        "general.file_type": file_type,
        f"{architecture}.context_length": 2048,
    }
    keys.update({name.replace("__", "."): value for name, value in metadata.items()})
    head = _header(keys, len(weights) // 4)
    return head + bytes(-len(head) % _ALIGNMENT) + weights


def _header(keys: Mapping[str, Value], numbers: int) -> bytes:
    parts = [b"GGUF", _U32.pack(3), _U64.pack(1), _U64.pack(len(keys))]
    parts += [_string(key) + _value(value) for key, value in keys.items()]
    parts += [_string("weights"), _U32.pack(1), _U64.pack(numbers), _U32.pack(0), _U64.pack(0)]
    return b"".join(parts)


def _value(value: Value) -> bytes:
    match value:
        case bool():
            return _U32.pack(7) + bytes([value])
        case int():
            return _U32.pack(4) + _U32.pack(value)
        case float():
            return _U32.pack(6) + _F32.pack(value)
        case str():
            return _U32.pack(8) + _string(value)
        case tuple():
            return _U32.pack(9) + _U32.pack(4) + _U64.pack(len(value)) + b"".join(map(_U32.pack, value))
        case list():
            return _U32.pack(9) + _U32.pack(8) + _U64.pack(len(value)) + b"".join(map(_string, value))


def _string(text: str) -> bytes:
    raw = text.encode()
    return _U64.pack(len(raw)) + raw
