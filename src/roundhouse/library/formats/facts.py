"""What a model is, told from its own files, whatever their format. Knows nothing about where they came from.

Everything here blocks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from roundhouse.core.artifacts import ArtifactFile, Digest
from roundhouse.core.errors import SchemaError
from roundhouse.library.formats.config import ModelConfig, has_chat_template, read_config, read_index
from roundhouse.library.formats.parts import projector_of, weights_of
from roundhouse.library.formats.safetensors import SafetensorsHeader, Tensor, read_safetensors
from roundhouse.library.gguf import read_header

GGUF, SAFETENSORS, MLX = "gguf", "safetensors", "mlx"
_INDEX = ".safetensors.index.json"
_SHARD = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})\.safetensors", re.IGNORECASE)
#: Files whose presence means that the model knows where a turn ends.
_TEMPLATES = frozenset({"chat_template.jinja", "chat_template.json"})
_WORD_BITS = 32
#: What holds weights several to a number, by how they were made smaller.
_PACKED = {"mlx": ".weight", "gptq": ".qweight", "awq": ".qweight"}
_BESIDE = (".scales", ".biases", ".qzeros", ".g_idx", ".weight_scale", ".weight_scale_inv", ".input_scale")


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be said of a model."""

    format: str
    architecture: str | None
    quantization: str | None
    context: int | None
    parameters: int | None
    has_chat_template: bool
    license: str | None = None


def describe(files: Sequence[ArtifactFile], place: Callable[[Digest], Path]) -> Facts:
    """Read the facts of a model whose bytes are where *place* says; its weights come first.

    Raises SchemaError when a header lies, or when the files are not one whole model.
    """
    if files and is_safetensors(files[0].name):
        return _described(files, {file.name: place(file.digest) for file in files})
    headers = [read_header(place(file.digest)) for file in weights_of(files)]
    if headers[0].shards != len(headers):
        message = f"the model is split into {headers[0].shards} files, {len(headers)} are here"
        raise SchemaError(message)
    if (projector := projector_of(files)) is not None:
        read_header(place(projector.digest))
    header = headers[0]
    return Facts(
        format=GGUF,
        architecture=header.architecture,
        quantization=header.quantization,
        context=header.context,
        parameters=sum(each.parameters for each in headers) or None,
        has_chat_template=header.has_chat_template,
        license=header.license,
    )


def check_header(name: str, path: Path) -> None:
    """Read the header of a file that has one. Raises SchemaError."""
    if name.lower().endswith(".gguf"):
        read_header(path)
    elif is_safetensors(name):
        read_safetensors(path)


def is_safetensors(name: str) -> bool:
    """Whether a file of that name holds safetensors."""
    return name.lower().endswith(".safetensors")


def _described(files: Sequence[ArtifactFile], paths: Mapping[str, Path]) -> Facts:
    headers: dict[str, SafetensorsHeader] = {}
    headers |= {file.name: read_safetensors(paths[file.name]) for file in files if is_safetensors(file.name)}
    _check_shards(files[0].name, headers)
    for name in paths:
        if name.endswith(_INDEX):
            _check_index(read_index(paths[name]), headers)
    config = read_config(paths["config.json"]) if "config.json" in paths else ModelConfig()
    tensors = {name: tensor for header in headers.values() for name, tensor in header.tensors.items()}
    return Facts(
        format=MLX if config.method == "mlx" or _says_mlx(headers.values()) else SAFETENSORS,
        architecture=config.architecture,
        quantization=_quantization(config, tensors),
        context=config.context,
        parameters=_parameters(config, tensors),
        has_chat_template=_can_chat(paths),
    )


def _check_shards(first: str, names: Collection[str]) -> None:
    """Refuse a set whose own names tell that there should be more. Raises SchemaError."""
    parts = _SHARD.fullmatch(first)
    if parts is None:
        return
    here = sum(other is not None and other["stem"] == parts["stem"] for other in map(_SHARD.fullmatch, names))
    if here != int(parts["count"]):
        message = f"the model is split into {int(parts['count'])} files, {here} are here"
        raise SchemaError(message)


def _check_index(index: Mapping[str, str], headers: Mapping[str, SafetensorsHeader]) -> None:
    """Refuse an index and files that do not agree. Raises SchemaError."""
    missing = sorted(set(index.values()) - set(headers))
    if missing:
        message = f"the index names {len(missing)} files that are not here: {missing[0][:80]}"
        raise SchemaError(message, hint="pull the model again")
    found = {(tensor, name) for name, header in headers.items() for tensor in header.tensors}
    if found != set(index.items()):
        tensor = min(found ^ set(index.items()))[0]
        message = f"the index and the files do not agree on where the tensor {tensor[:80]!r} is"
        raise SchemaError(message, hint="the files are of different versions; pull the model again")


def _says_mlx(headers: Iterable[SafetensorsHeader]) -> bool:
    return any(header.metadata.get("format") == "mlx" for header in headers)


def _quantization(config: ModelConfig, tensors: Mapping[str, Tensor]) -> str | None:
    """How its weights are kept, in the words that people use: ``4bit``, ``AWQ-4bit``, ``BF16``."""
    if config.method == "mlx":
        return f"{config.bits}bit"
    if config.method is not None:
        return config.method.upper() + (f"-{config.bits}bit" if config.bits else "")
    by_type: Counter[str] = Counter()
    for tensor in tensors.values():
        by_type[tensor.dtype] += tensor.numbers
    return by_type.most_common(1)[0][0] if by_type else None


def _parameters(config: ModelConfig, tensors: Mapping[str, Tensor]) -> int | None:
    """Weights of the model; ``None`` when they are packed in a way that is not known here."""
    if config.method not in {None, "fp8", *_PACKED}:
        return None
    packed = _PACKED.get(config.method or "")
    return sum(_weights(name, tensor, packed, config.bits) for name, tensor in tensors.items()) or None


def _weights(name: str, tensor: Tensor, packed: str | None, bits: int | None) -> int:
    if packed is not None and bits and name.endswith(packed) and tensor.dtype in {"U32", "I32"}:
        return tensor.numbers * _WORD_BITS // bits
    return 0 if name.endswith(_BESIDE) else tensor.numbers


def _can_chat(paths: Mapping[str, Path]) -> bool:
    tokenizer = paths.get("tokenizer_config.json")
    return not _TEMPLATES.isdisjoint(paths) or (tokenizer is not None and has_chat_template(tokenizer))
