"""Files that are programs in disguise: whoever loads a pickle runs what its author wrote. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from roundhouse.core.errors import PolicyError

_PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib"})


def is_pickle(path: str) -> bool:
    """Whether a file of that name is a pickle, or may well be one."""
    return PurePosixPath(path).suffix.lower() in _PICKLES


def refuse_pickles(paths: Sequence[str]) -> None:
    """Say why none of *paths* is taken, when pickles are among them. Raises PolicyError."""
    found = next((path for path in sorted(paths) if is_pickle(path)), None)
    if found is not None:
        message = f"{found} is a pickle: whoever loads it runs the code that it holds"
        raise PolicyError(message, hint="look for the same model as GGUF or safetensors, which hold only numbers")
