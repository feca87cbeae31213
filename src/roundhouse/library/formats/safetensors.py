"""What a safetensors file says about itself, believed only as far as the file's own length bears it out.

Knows nothing about what the tensors mean. Reads the header alone: eight bytes of length, then JSON that says where in
the rest each tensor lies. As the format demands, the tensors fill the rest without holes and without overlap: that
also leaves no room for a name that is given twice.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec

from roundhouse.core.errors import SchemaError
from roundhouse.library.bounded import BoundedReader

_U64 = struct.Struct("<Q")
#: Far above any real header, and little enough to take apart in memory.
_MAX_HEADER, _MAX_DIMENSIONS = 32 << 20, 64
_METADATA = "__metadata__"

#: Bits of one number by the name of its type. A type that is newer than this table takes as many as it says.
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip

_Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]


class _Entry(msgspec.Struct):
    dtype: Annotated[str, msgspec.Meta(max_length=32)]
    shape: Annotated[list[_Count], msgspec.Meta(max_length=_MAX_DIMENSIONS)]
    data_offsets: tuple[_Count, _Count]


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor, as far as it matters for describing a model."""

    dtype: str
    #: Numbers in it.
    numbers: int


@dataclass(frozen=True, slots=True)
class SafetensorsHeader:
    """The facts of one file."""

    tensors: Mapping[str, Tensor]
    #: What whoever wrote the file noted: ``format`` is ``pt`` or ``mlx``.
    metadata: Mapping[str, str]


def read_safetensors(path: Path) -> SafetensorsHeader:
    """Read and check the header of *path*. Blocks. Raises SchemaError: no such file, or it lies, or is cut off."""
    with path.open("rb") as file:
        reader = BoundedReader(file, path.stat().st_size)
        if reader.size < _U64.size:
            message = "not a safetensors file: it is too short"
            raise SchemaError(message)
        length = reader.count(_U64)
        if length > _MAX_HEADER:
            message = f"the file promises a header of {length} bytes; no model has more than {_MAX_HEADER}"
            raise SchemaError(message, hint="is it really a safetensors file?")
        raw = reader.take(length)
    return _parsed(raw, reader.left)


def _parsed(raw: bytes, left: int) -> SafetensorsHeader:
    try:
        # In two steps, because one name among the tensors' stands for something else.
        parts = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        told = parts.pop(_METADATA, None)
        metadata = {} if told is None else msgspec.json.decode(told, type=dict[str, str])
        entries = {name: msgspec.json.decode(part, type=_Entry) for name, part in parts.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = "not a safetensors file: its header cannot be read"
        raise SchemaError(message, hint="the file is damaged, or something else under that name") from error
    _check_places(entries, left)
    return SafetensorsHeader({name: _tensor(name, entry) for name, entry in entries.items()}, metadata)


def _check_places(entries: Mapping[str, _Entry], left: int) -> None:
    """Refuse tensors that overlap, leave holes, or lie outside the file. Raises SchemaError."""
    places = [(0, 0), *sorted(entry.data_offsets for entry in entries.values()), (left, left)]
    for (_, before), (begin, end) in pairwise(places):
        if begin != before or end < begin:
            message = f"the tensors do not fill the file: one ends at {before}, the next begins at {begin}, of {left}"
            raise SchemaError(message, hint="the file is cut off or damaged; pull it again")


def _tensor(name: str, entry: _Entry) -> Tensor:
    begin, end = entry.data_offsets
    numbers = math.prod(entry.shape)
    bits = _BITS.get(entry.dtype)
    if bits is not None and numbers * bits != (end - begin) * 8:
        message = f"the tensor {name[:80]!r} has {numbers} numbers of {bits} bits in {end - begin} bytes"
        raise SchemaError(message, hint="the file is damaged")
    return Tensor(entry.dtype, numbers)
