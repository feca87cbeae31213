"""Names for files that come without one. Pure; knows nothing about where they come from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from roundhouse.core.errors import PolicyError, SchemaError
from roundhouse.sources.choosing import is_tensors, refuse_pickles

_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
#: Formats that people try, with nothing here that could run them.
_OTHER_FORMATS = {".onnx", ".h5", ".zip", ".tar", ".gz"}


def model_name(file_name: str) -> str:
    """The model that a file is, by its stem in lower case. Raises SchemaError when nothing usable is left."""
    stem = _SHARD.sub("", PurePosixPath(file_name).name.lower().removesuffix(".gguf"))
    name = re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._")
    if not name:
        message = f"no model name can be made of {file_name!r}"
        raise SchemaError(message, hint="give one with --name")
    return name


def refuse_other_formats(file_name: str) -> None:
    """Say early what the header would say late. Raises PolicyError."""
    refuse_pickles([file_name])
    suffix = PurePosixPath(file_name).suffix.lower()
    if suffix in _OTHER_FORMATS:
        message = f"{file_name}: Roundhouse holds GGUF and safetensors models, not {suffix} files"
        raise PolicyError(message, hint="look for a GGUF file of the same model")
    if is_tensors(file_name):
        message = f"{file_name} alone is no model: its config.json and its tokenizer belong to it"
        raise PolicyError(message, hint="pull the whole repository or folder, or look for a GGUF file")


def shards_of(first: str, names: Sequence[str]) -> list[str]:
    """All shards that belong to *first* among *names*, in order; *first* alone when it is no shard."""
    parts = re.fullmatch(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})(?P<suffix>\.gguf)", first)
    if parts is None:
        return [first]
    wanted = [f"{parts['stem']}-{n:05}-of-{parts['count']}{parts['suffix']}" for n in range(1, int(parts["count"]) + 1)]
    missing = sorted(set(wanted) - set(names))
    if missing:
        message = f"{len(missing)} of {len(wanted)} shards are missing: {missing[0]}"
        raise SchemaError(message)
    return wanted
