"""What a folder with a model of MLX says about itself, as far as it matters for loading it. Everything here blocks.

Knows nothing about memory limits. What ``config.json`` says is believed only where it is a sensible number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from roundhouse.backends.kinds.mlx.budget import Weights
from roundhouse.core.errors import BackendError, RoundhouseError
from roundhouse.core.runtimes import ModelFolder, Traits
from roundhouse.library.formats import MLX
from roundhouse.library.formats.config import has_chat_template, read_config

_CONFIG, _TOKENIZER = "config.json", "tokenizer_config.json"
_TEMPLATE, _TEMPLATE_JSON = "chat_template.jinja", "chat_template.json"
_MAX_CONFIG = 8 << 20
#: Newer configurations keep the language model's part in one of these.
_INNER = ("text_config", "llm_config", "language_config")
_MOST_LAYERS, _MOST_NUMBERS = 10_000, 1 << 20
_WIDE, _USUAL = 4, 2

_Json = Mapping[str, object]


def is_model(path: Path) -> bool:
    """Whether there is something that mlx_lm could load."""
    return path.is_dir() and (path / _CONFIG).is_file() and any(path.glob("*.safetensors"))


def described(name: str, path: Path) -> ModelFolder:
    """The model in the folder *path*. Raises BackendError when its files cannot be read."""
    try:
        config = read_config(path / _CONFIG)
        tokenizer = path / _TOKENIZER
        talks = (path / _TEMPLATE).is_file() or (tokenizer.is_file() and has_chat_template(tokenizer))
    except (RoundhouseError, OSError) as error:
        raise _unreadable(name, error) from error
    quantization = f"{config.bits}bit" if config.bits else None
    traits = Traits(config.context, quantization, family=config.architecture, format=MLX)
    return ModelFolder(name, path, config.context, talks, traits)


class _Named(msgspec.Struct):
    """One of several templates; that for tools is the one that knows most."""

    template: str
    name: str = ""


class _Templates(msgspec.Struct):
    chat_template: str | list[_Named] | None = None


def template_in(path: Path) -> str | None:
    """The chat template of the model in the folder *path*; ``None`` when it has none that can be read."""
    try:
        if (path / _TEMPLATE).is_file():
            return _start_of(path / _TEMPLATE).decode("utf-8", "replace")
        held = next((each for each in (path / _TEMPLATE_JSON, path / _TOKENIZER) if each.is_file()), None)
        found = msgspec.json.decode(_start_of(held), type=_Templates).chat_template if held is not None else None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return "\n".join(each.template for each in found) if isinstance(found, list) else found


def _start_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_CONFIG)


def weights_in(name: str, *folders: Path) -> Weights:
    """What the models in *folders* take together: one, or one and its draft. Raises BackendError."""
    try:
        found = [_weights(folder) for folder in folders]
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(name, error) from error
    return Weights(sum(each.size for each in found), sum(each.cache_per_token for each in found))


def _weights(folder: Path) -> Weights:
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    config = msgspec.json.decode(_start_of(folder / _CONFIG), type=dict[str, object])
    inner = next((part for name in _INNER if isinstance(part := config.get(name), dict)), {})
    return Weights(size, cache_per_token({**config, **inner}))


def cache_per_token(config: _Json) -> int:
    """Bytes of key-value cache for each token; 0 when *config* does not say the shape.

    All layers count as if they looked at the whole context: too much for sliding windows, and never too little.
    """
    layers = _first(config, ("num_hidden_layers", "n_layers", "n_layer"), _MOST_LAYERS)
    latent, rope = (_first(config, (name,), _MOST_NUMBERS) for name in ("kv_lora_rank", "qk_rope_head_dim"))
    heads = _first(config, ("num_attention_heads", "n_heads", "n_head"), _MOST_NUMBERS)
    width = _first(config, ("hidden_size", "d_model", "n_embd"), _MOST_NUMBERS)
    size = _first(config, ("head_dim",), _MOST_NUMBERS) or (width // heads if heads else 0)
    keys = _first(config, ("num_key_value_heads",), _MOST_NUMBERS) or heads
    numbers = latent + rope if latent else 2 * keys * size
    told = config.get("dtype") or config.get("torch_dtype")
    return layers * numbers * (_WIDE if told == "float32" else _USUAL)


def _first(config: _Json, names: Iterable[str], most: int) -> int:
    values = (config.get(name) for name in names)
    sensible = (each for each in values if isinstance(each, int) and not isinstance(each, bool) and 0 < each <= most)
    return next(sensible, 0)


def _unreadable(name: str, error: Exception) -> BackendError:
    # The system's own words hold the path.
    reason = error.strerror if isinstance(error, OSError) else str(error)
    message = f"{name} cannot be loaded: {reason}"
    return BackendError(message, hint=f"check its files with `roundhouse models verify {name}`")
