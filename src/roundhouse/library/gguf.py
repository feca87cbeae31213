"""What a GGUF file says about itself, believed only as far as the file's own length bears it out.

Knows nothing about where the file came from or what will run it. Reads the header alone; weights are never touched.
The caps are far above any real model and exist so that a hostile header cannot make us work for hours.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from roundhouse.core.errors import SchemaError
from roundhouse.library.bounded import BoundedReader
from roundhouse.library.tensors import FILE_TYPES, read_tensors

_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
#: Layouts of the scalar types by their number in the file; 8 is a string, 9 an array.
_SCALARS = {
    number: struct.Struct("<" + layout)
    for number, layout in {
        0: "B",
        1: "b",
        2: "H",
        3: "h",
        4: "I",
        5: "i",
        6: "f",
        7: "?",
        10: "Q",
        11: "q",
        12: "d",
    }.items()
}
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)
_MAX_KEYS, _MAX_KEY_BYTES, _MAX_STRINGS, _MAX_DEPTH = 65_536, 65_535, 8_000_000, 4
#: Longer texts than this are skipped, not kept; a chat template is some kilobytes.
_MAX_TEXT = 4 << 20

Scalar = int | float | bool | str

#: The list that ends what `read_outline` looks at, the key that must have come before, and the longest list it keeps.
_VOCABULARY, _LAYERS, _LONGEST = "tokenizer.ggml.tokens", ".block_count", 4096


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """The facts of one model file."""

    version: int
    tensor_count: int
    #: Numbers in all tensors of this file.
    parameters: int
    #: Every scalar; arrays are checked and left out.
    metadata: Mapping[str, Scalar]

    @property
    def architecture(self) -> str | None:
        """The architecture, such as ``llama`` or ``qwen3``."""
        return self._text("general.architecture")

    @property
    def quantization(self) -> str | None:
        """The quantisation by its usual name: ``Q4_K_M``."""
        return FILE_TYPES.get(self._number("general.file_type"))

    @property
    def context(self) -> int | None:
        """Tokens that the model was trained for."""
        return self._number(f"{self.architecture}.context_length") or None

    @property
    def license(self) -> str | None:
        """The licence that the file claims."""
        return self._text("general.license")

    @property
    def has_chat_template(self) -> bool:
        """Whether it can chat."""
        return bool(self._text("tokenizer.chat_template"))

    @property
    def shards(self) -> int:
        """How many files the model is split into."""
        return self._number("split.count") or 1

    def _text(self, key: str) -> str | None:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def _number(self, key: str) -> int:
        value = self.metadata.get(key)
        return value if isinstance(value, int) else -1 if key == "general.file_type" else 0


@dataclass(frozen=True, slots=True)
class GgufOutline:
    """What stands before the vocabulary of a model file: how its layers are built."""

    #: Every scalar, and the short lists of numbers: one for each layer.
    metadata: Mapping[str, Scalar | tuple[float, ...]]
    #: Tokens that it knows; ``None`` when there is no list of them.
    vocabulary: int | None

    @property
    def architecture(self) -> str | None:
        """The architecture, such as ``llama`` or ``qwen3``."""
        value = self.metadata.get("general.architecture")
        return value if isinstance(value, str) else None


def read_outline(path: Path) -> GgufOutline:
    """Read the beginning of *path*, in about a millisecond however long the vocabulary is. Blocks.

    Raises SchemaError: no GGUF file, or it lies.
    """
    with path.open("rb") as file:
        return _outline(BoundedReader(file, path.stat().st_size))


def _outline(reader: BoundedReader) -> GgufOutline:
    _version, _tensors, count = _opened(reader)
    metadata: dict[str, Scalar | tuple[float, ...]] = {}
    seen: set[str] = set()
    vocabulary = None
    for _ in range(count):
        key, kind = _key(reader, seen), reader.count(_U32)
        if key == _VOCABULARY and kind == _ARRAY:
            vocabulary = _length(reader)
            if any(each.endswith(_LAYERS) for each in seen):
                break
        value = _numbers(reader) if kind == _ARRAY else _value(reader, kind, 0)
        if value is not None:
            metadata[key] = value
    return GgufOutline(metadata, vocabulary)


def _length(reader: BoundedReader) -> int:
    """How many items the list has that begins here; the reader stays where it is."""
    start = reader.position
    reader.skip(_U32.size)
    # Each item of a list of strings has eight bytes at least.
    length = reader.bounded(reader.count(_U64), 8)
    reader.position = start
    return length


def _numbers(reader: BoundedReader) -> tuple[float, ...] | None:
    """The list that begins here where it is short and of numbers; any other one is passed over."""
    start, kind, count = reader.position, reader.count(_U32), reader.count(_U64)
    if kind in _SCALARS and count <= _LONGEST:
        return tuple(reader.number(_SCALARS[kind]) for _ in range(count))
    reader.position = start
    _skip_array(reader, 0)
    return None


def read_header(path: Path) -> GgufHeader:
    """Read and check the header of *path*. Blocks. Raises SchemaError: no GGUF file, or it lies, or is cut off."""
    with path.open("rb") as file:
        return _read(BoundedReader(file, path.stat().st_size))


def _read(reader: BoundedReader) -> GgufHeader:
    version, tensor_count, count = _opened(reader)
    metadata = _metadata(reader, count)
    parameters = read_tensors(reader, tensor_count, metadata.get("general.alignment", 32))
    return GgufHeader(version, tensor_count, parameters, metadata)


def _opened(reader: BoundedReader) -> tuple[int, int, int]:
    """Its version, and how many tensors and keys it promises. Raises SchemaError when it is none that we know."""
    if reader.size < 4 or reader.take(4) != b"GGUF":  # noqa: PLR2004 (the length of the magic)
        message = "not a GGUF file: it does not begin with its four letters"
        raise SchemaError(message, hint="Roundhouse runs GGUF models; look for a file that ends in .gguf")
    version = reader.count(_U32)
    if version not in _VERSIONS:
        message = f"GGUF version {version} is not known here"
        raise SchemaError(message)
    return version, reader.count(_U64), _capped(reader.count(_U64), _MAX_KEYS, "keys")


def _metadata(reader: BoundedReader, count: int) -> dict[str, Scalar]:
    metadata: dict[str, Scalar] = {}
    seen: set[str] = set()
    for _ in range(count):
        key = _key(reader, seen)
        value = _value(reader, reader.count(_U32), 0)
        if value is not None:
            metadata[key] = value
    return metadata


def _key(reader: BoundedReader, seen: set[str]) -> str:
    """The next key, from now on among those *seen*."""
    key = reader.take(_capped(reader.count(_U64), _MAX_KEY_BYTES, "bytes of a key")).decode("utf-8", "replace")
    if not key or key in seen:
        message = f"GGUF key {key[:80]!r} is empty or given twice"
        raise SchemaError(message)
    seen.add(key)
    return key


def _value(reader: BoundedReader, kind: int, depth: int) -> Scalar | None:
    """The value of type *kind*, or ``None`` for what is checked and skipped."""
    if kind in _SCALARS:
        return reader.number(_SCALARS[kind])
    if kind == _STRING:
        length = reader.bounded(reader.count(_U64))
        if length <= _MAX_TEXT:
            return reader.take(length).decode("utf-8", "replace")
        reader.skip(length)
        return None
    if kind == _ARRAY:
        _skip_array(reader, depth)
        return None
    message = f"GGUF value type {kind} is not known"
    raise SchemaError(message)


def _skip_array(reader: BoundedReader, depth: int) -> None:
    kind, count = reader.count(_U32), reader.count(_U64)
    if kind in _SCALARS:
        reader.skip(reader.bounded(count, _SCALARS[kind].size) * _SCALARS[kind].size)
        return
    # Strings and arrays carry a length of eight bytes at least; an array also a type of four.
    for _ in range(_capped(reader.bounded(count, 8), _MAX_STRINGS, "items of an array")):
        if kind == _STRING:
            reader.skip(reader.count(_U64))
        elif kind == _ARRAY and depth < _MAX_DEPTH:
            _skip_array(reader, depth + 1)
        else:
            message = f"GGUF array of type {kind} is not known, or nested too deeply"
            raise SchemaError(message)


def _capped(count: int, cap: int, what: str) -> int:
    if count > cap:
        message = f"the file promises {count} {what}; no model has more than {cap}"
        raise SchemaError(message)
    return count
