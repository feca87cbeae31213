"""The bundled model with something changed, and small files that belong to it, for the real llama.cpp.

Needs the package ``gguf``, which only tests have. What it makes is as senseless as the original.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter

from roundhouse.backends.llamacpp.abilities import abilities_of
from roundhouse.backends.llamacpp.resident import LoadableModel
from roundhouse.library.gguf import read_header
from roundhouse.testing.runtime import NOISE, NOISE_FILE

Value = str | int | bool


def loadable(path: Path) -> LoadableModel:
    """*path* as the shelf would have it."""
    header = read_header(path)
    abilities = abilities_of(header.metadata, None)
    return replace(NOISE, path=path, size=path.stat().st_size, architecture=header.architecture, abilities=abilities)


def write_noise(path: Path, keys: Mapping[str, Value] | None = None) -> Path:
    """Write the bundled model to *path*, with *keys* in place of its own or beside them."""
    reader, keys = GGUFReader(NOISE_FILE), keys or {}
    writer = GGUFWriter(path, "llama")
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture" or name in keys:
            continue
        kind, within = field.types[0], field.types[-1] if len(field.types) > 1 else None
        writer.add_key_value(name, field.contents(), kind, sub_type=within)
    _add(writer, keys)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, np.array(tensor.data))
    return _close(writer, path)


def _add(writer: GGUFWriter, keys: Mapping[str, Value]) -> None:
    for name, value in keys.items():
        match value:
            case bool():
                writer.add_key_value(name, value, GGUFValueType.BOOL)
            case int():
                writer.add_key_value(name, value, GGUFValueType.UINT32)
            case str():
                writer.add_key_value(name, value, GGUFValueType.STRING)


def _close(writer: GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
