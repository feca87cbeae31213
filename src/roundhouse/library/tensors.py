"""The list of tensors in a GGUF file: every one must lie inside the file. Knows nothing about what they mean."""

from __future__ import annotations

import math
import struct

from roundhouse.core.errors import SchemaError
from roundhouse.library.bounded import BoundedReader

_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
_MAX_TENSORS, _MAX_NAME, _MAX_DIMS = 1_000_000, 1024, 4
#: The shortest entry: an empty name, no dimension, a type, an offset.
_ENTRY_BYTES = 8 + 4 + 4 + 8

#: ``general.file_type`` → the name people know it by (llama.cpp's ``llama_ftype``).
FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE",
}  # fmt: skip

#: Tensor type → (numbers in a block, bytes of a block), as ggml lays them out.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip


def read_tensors(reader: BoundedReader, count: int, alignment: object) -> int:
    """How many numbers the tensors hold together. Raises SchemaError when one of them lies outside the file."""
    if count > _MAX_TENSORS:
        message = f"the file promises {count} tensors"
        raise SchemaError(message)
    reader.bounded(count, _ENTRY_BYTES)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):
        message = f"general.alignment is {alignment!r}, not a power of two"
        raise SchemaError(message)
    parameters = furthest = 0
    for _ in range(count):
        numbers, end = _tensor(reader)
        parameters += numbers
        furthest = max(furthest, end)
    start = -(-reader.position // alignment) * alignment
    if count and start + furthest > reader.size:
        message = f"the tensors need {start + furthest} bytes, the file has {reader.size}"
        raise SchemaError(message, hint="the file is cut off; pull it again")
    return parameters


def _tensor(reader: BoundedReader) -> tuple[int, int]:
    """The numbers in the next tensor, and where its bytes end, counted from the first tensor's."""
    name_length = reader.count(_U64)
    if name_length > _MAX_NAME:
        message = f"a tensor's name has {name_length} bytes"
        raise SchemaError(message)
    reader.skip(name_length)
    dimensions = reader.count(_U32)
    if dimensions > _MAX_DIMS:
        message = f"a tensor has {dimensions} dimensions"
        raise SchemaError(message)
    numbers = math.prod(reader.count(_U64) for _ in range(dimensions))
    kind, offset = reader.count(_U32), reader.count(_U64)
    # A type that is newer than this table still takes some bytes; the offset at least must lie inside.
    per_block, block_bytes = _BLOCKS.get(kind, (numbers + 1, 0))
    return numbers, offset + -(-numbers // per_block) * block_bytes
