"""The bundled model with something changed, and small files that belong to it, for the real llama.cpp.

Needs the package ``gguf``, which only tests have. What it makes is as senseless as the original.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter

from roundhouse.backends.llamacpp.abilities import abilities_of
from roundhouse.backends.llamacpp.loadable import LoadableModel
from roundhouse.library.gguf import read_header
from roundhouse.testing.runtime import NOISE, NOISE_FILE

_SEED = 20_26
Value = str | int | bool


def loadable(path: Path) -> LoadableModel:
    """*path* as the shelf would have it."""
    header = read_header(path)
    abilities = abilities_of(header.metadata, None)
    return replace(NOISE, path=path, size=path.stat().st_size, architecture=header.architecture, abilities=abilities)


def write_noise(path: Path, keys: Mapping[str, Value] | None = None) -> Path:
    """Write the bundled model to *path*, with *keys* in place of its own or beside them."""
    writer = _noise_as("llama", path, keys or {})
    _add(writer, keys or {})
    return _close(writer, path)


def write_reranker(path: Path) -> Path:
    """Write the bundled model as one that scores documents: a qwen3 with two classes, of which the first is yes."""
    writer, rng = _noise_as("qwen3", path, {}), np.random.default_rng(_SEED)
    _add(writer, {"qwen3.pooling_type": 4})
    writer.add_array("qwen3.classifier.output_labels", ["yes", "no"])
    for layer in range(2):
        for part in "qk":
            writer.add_tensor(f"blk.{layer}.attn_{part}_norm.weight", np.ones(16, np.float32))
    writer.add_tensor("cls.output.weight", rng.normal(0, 0.2, (2, 64)).astype(np.float32))
    return _close(writer, path)


def _noise_as(architecture: str, path: Path, but: Collection[str]) -> GGUFWriter:
    """The bundled model's keys, without those of *but*, and its weights, as if it were of another *architecture*."""
    reader, writer = GGUFReader(NOISE_FILE), GGUFWriter(path, architecture)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture" or name in but:
            continue
        kind, within = field.types[0], field.types[-1] if len(field.types) > 1 else None
        named = re.sub(r"^llama\.", f"{architecture}.", name)
        writer.add_key_value(named, field.contents(), kind, sub_type=within)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, np.array(tensor.data))
    return writer


def write_projector(path: Path, *, reads: int = 64) -> Path:
    """Write a projector that makes something of pictures for a model that *reads* vectors of so many numbers."""
    writer = GGUFWriter(path, "clip")
    writer.add_file_type(0)
    _add(writer, {"clip.has_vision_encoder": True, "clip.projector_type": "mlp", "clip.use_gelu": False})
    sizes = {"image_size": 28, "patch_size": 14, "embedding_length": 16, "feed_forward_length": 32, "block_count": 2}
    sizes |= {"attention.head_count": 2, "projection_dim": reads}
    _add(writer, {f"clip.vision.{name}": size for name, size in sizes.items()})
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    for name in ("image_mean", "image_std"):
        writer.add_array(f"clip.vision.{name}", [0.5, 0.5, 0.5])
    rng = np.random.default_rng(_SEED)
    for name, shape in _projector(reads).items():
        writer.add_tensor(name, rng.normal(0, 0.2, shape).astype(np.float32))
    return _close(writer, path)


def _projector(reads: int, width: int = 16, feed: int = 32) -> dict[str, tuple[int, ...]]:
    """Shapes of its tensors by name: patches of 14, four to a picture, two layers, and a way out."""
    shapes: dict[str, tuple[int, ...]] = {
        "v.patch_embd.weight": (width, 3, 14, 14),
        "v.position_embd.weight": (5, width),
        "v.class_embd": (width,),
        "mm.0.weight": (reads, width),
        "mm.2.weight": (reads, reads),
    }
    pairs: dict[str, tuple[int, ...]] = {"v.pre_ln": (width,)}
    for block in ("v.blk.0.", "v.blk.1."):
        pairs |= {f"{block}{part}": (width, width) for part in ("attn_q", "attn_k", "attn_v", "attn_out")}
        pairs |= {f"{block}ln1": (width,), f"{block}ln2": (width,)}
        pairs |= {f"{block}ffn_up": (feed, width), f"{block}ffn_down": (width, feed)}
    shapes |= {f"{name}.weight": shape for name, shape in pairs.items()}
    shapes |= {f"{name}.bias": shape[:1] for name, shape in pairs.items()}
    return shapes | {"mm.0.bias": (reads,), "mm.2.bias": (reads,)}


def write_adapter(path: Path, *, width: int = 64, rank: int = 2) -> Path:
    """Write a LoRA adapter for one matrix of a model that is as wide as *width*."""
    writer = GGUFWriter(path, "llama")
    _add(writer, {"general.type": "adapter", "adapter.type": "lora"})
    writer.add_float32("adapter.lora.alpha", float(rank))
    rng = np.random.default_rng(_SEED)
    for half, shape in (("a", (rank, width)), ("b", (width, rank))):
        writer.add_tensor(f"blk.0.attn_v.weight.lora_{half}", rng.normal(0, 1, shape).astype(np.float32))
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
