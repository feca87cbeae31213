"""Small safetensors files and the folders around them for tests. Their numbers mean nothing."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

_BYTES = {"F32": 4, "BF16": 2, "F16": 2, "U32": 4, "I32": 4, "U8": 1, "F8_E4M3": 1}

#: Type and shape by name.
Tensors = Mapping[str, tuple[str, tuple[int, ...]]]
WEIGHTS: Tensors = {"model.layers.0.weight": ("BF16", (4, 8))}


def a_safetensors(
    tensors: Tensors = WEIGHTS, *, filling: bytes = b"\1", metadata: Mapping[str, str] | None = None
) -> bytes:
    """A file with *tensors* one after the other, every byte of them *filling*."""
    header: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
    end = 0
    for name, (dtype, shape) in tensors.items():
        begin, size = end, _BYTES[dtype]
        for each in shape:
            size *= each
        end = begin + size
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    return with_header(json.dumps(header).encode(), filling * end)


def with_header(header: bytes, rest: bytes = b"") -> bytes:
    """Build a file of that header, right or wrong."""
    return struct.pack("<Q", len(header)) + header + rest


def a_config(**more: object) -> bytes:
    """A ``config.json``."""
    return json.dumps({"model_type": "llama", "max_position_embeddings": 2048} | more).encode()


def a_model_folder(filling: bytes = b"\1") -> dict[str, bytes]:
    """A whole model in two shards, with what lies beside it, by file name."""
    shards = {
        f"model-0000{number}-of-00002.safetensors": {f"layer.{number}.weight": ("BF16", (2, 4))} for number in (1, 2)
    }
    index = {"weight_map": {tensor: name for name, tensors in shards.items() for tensor in tensors}}
    return {
        **{name: a_safetensors(tensors, filling=filling) for name, tensors in shards.items()},
        "model.safetensors.index.json": json.dumps(index).encode(),
        "config.json": a_config(),
        "tokenizer.json": b"{}",
        "tokenizer_config.json": b'{"chat_template": "{{x}}"}',
    }


def put_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write *files* below *folder*."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
