"""What the JSON files beside safetensors say about a model. Knows nothing about the weights.

Written by many tools and by hand: what has another shape than expected is left out, what is no JSON is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from roundhouse.core.errors import SchemaError

#: Far above any real one; the largest list which tensor is in which of a hundred files.
_MAX_CONFIG, _MAX_INDEX = 8 << 20, 64 << 20
_MAX_TOKENIZER = 16 << 20
_LONGEST_WORD = 64
#: Newer configurations keep the language model's part in one of these.
_INNER = ("text_config", "llm_config", "language_config")
_CONTEXTS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx")

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """``config.json``, as far as it matters here."""

    architecture: str | None = None
    context: int | None = None
    #: How the weights were made smaller: ``gptq``, ``awq``, ``fp8``, ``mlx``; ``None`` when they were not.
    method: str | None = None
    #: Bits of one weight, where the method has such a number.
    bits: int | None = None


def read_config(path: Path) -> ModelConfig:
    """Read the facts in ``config.json``. Blocks. Raises SchemaError when it is no JSON object."""
    config = _object(path, _MAX_CONFIG)
    inner = next((part for name in _INNER if isinstance(part := config.get(name), dict)), {})
    contexts = (_count(part.get(name)) for part in (config, inner) for name in _CONTEXTS)
    method, bits = _quantization(config)
    return ModelConfig(
        architecture=_word(config.get("model_type")) or _word(inner.get("model_type")),
        context=next((each for each in contexts if each), None),
        method=method,
        bits=bits,
    )


def _quantization(config: Json) -> tuple[str | None, int | None]:
    """How the weights were made smaller. MLX writes its own key, and for others' sake the common one as well."""
    mlx, common = config.get("quantization"), config.get("quantization_config")
    if isinstance(mlx, dict) and _count(mlx.get("bits")):
        return "mlx", _count(mlx.get("bits"))
    if not isinstance(common, dict):
        return None, None
    method, bits = _word(common.get("quant_method")), _count(common.get("bits"))
    if method == "bitsandbytes" or (method is None and "load_in_4bit" in common):
        return "bitsandbytes", 4 if common.get("load_in_4bit") is True else 8
    return (method or "unknown").lower(), bits


def read_index(path: Path) -> Mapping[str, str]:
    """Read which tensor is in which file, from ``model.safetensors.index.json``. Blocks. Raises SchemaError."""
    raw = _bytes(path, _MAX_INDEX)
    try:
        return msgspec.json.decode(raw, type=_Index).weight_map
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = "the index of the safetensors files cannot be read"
        raise SchemaError(message, hint="the file is damaged; pull it again") from error


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


def has_chat_template(path: Path) -> bool:
    """Whether ``tokenizer_config.json`` holds a template. Blocks. Raises SchemaError when it is no JSON object."""
    return bool(_object(path, _MAX_TOKENIZER).get("chat_template"))


def _object(path: Path, most: int) -> Json:
    try:
        decoded: object = msgspec.json.decode(_bytes(path, most))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = "one of the JSON files beside the weights cannot be read"
        raise SchemaError(message, hint="the file is damaged; pull it again") from error
    if not isinstance(decoded, dict):
        message = "one of the JSON files beside the weights is not an object"
        raise SchemaError(message)
    return decoded


def _bytes(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        message = f"one of the JSON files beside the weights has more than {most} bytes"
        raise SchemaError(message)
    return raw


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 62 else None


def _word(value: object) -> str | None:
    is_word = isinstance(value, str) and value.isprintable() and 0 < len(value) <= _LONGEST_WORD
    return value if is_word and isinstance(value, str) else None
