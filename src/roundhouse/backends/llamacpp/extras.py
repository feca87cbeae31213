"""A look at the files that a model is loaded with, before native code sees them. Knows nothing about the model."""

from __future__ import annotations

from pathlib import Path

from roundhouse.backends.llamacpp.config import Extras
from roundhouse.core.errors import BackendError, RoundhouseError
from roundhouse.library.gguf import GgufHeader, read_header


def checked(model: str, extras: Extras) -> Extras:
    """*extras* of *model*, each of which is at least a sound GGUF file of its sort. Blocks. Raises BackendError."""
    if extras.projector is not None and _header(model, extras.projector).architecture != "clip":
        raise _unfit(model, extras.projector, "it is no projector")
    for adapter in extras.adapters:
        if _header(model, adapter.path).metadata.get("adapter.type") != "lora":
            raise _unfit(model, adapter.path, "it is no LoRA adapter")
    if extras.draft is not None:
        _header(model, extras.draft)
    return extras


def _header(model: str, path: str) -> GgufHeader:
    try:
        return read_header(Path(path))
    except RoundhouseError as error:
        raise _unfit(model, path, error.message) from error
    except OSError as error:
        raise _unfit(model, path, error.strerror or str(error)) from error


def _unfit(model: str, path: str, reason: str) -> BackendError:
    message = f"{model} cannot be loaded with {Path(path).name}: {reason}"
    return BackendError(message, hint=f"`roundhouse models verify {model}`, and see `runtime.lora` and `runtime.draft`")
