"""What beside a model would execute code, told by names alone. Pure; knows nothing about what is inside.

A sign for people, never a permission: what is not flagged may still be hostile.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

_KINDS = {
    ".py": "Python",
    ".pyc": "Python",
    ".ipynb": "a notebook",
    ".sh": "a shell script",
    ".bash": "a shell script",
    ".bat": "a shell script",
    ".cmd": "a shell script",
    ".ps1": "a shell script",
    ".so": "a native library",
    ".dll": "a native library",
    ".dylib": "a native library",
    ".exe": "a program",
    ".msi": "a program",
    ".appimage": "a program",
    ".jar": "a program",
    ".wasm": "a program",
    ".js": "JavaScript",
    ".lua": "Lua",
    ".llamafile": "a program",
} | dict.fromkeys(
    (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill", ".npz", ".npy", ".h5", ".keras"),
    "a pickle or as good as one",
)
_MOST = 20


def code_flags(names: Iterable[str], *, remote_code: bool = False, chat_template: bool = False) -> tuple[str, ...]:
    """One sentence for each thing that would execute code; *remote_code* is what a hub says about a repository."""
    flags = ["its repository wants code of its own to be run (auto_map, trust_remote_code)"] if remote_code else []
    found = [
        f"{name} is {kind}"
        for name in sorted(set(names))
        if (kind := _KINDS.get(PurePosixPath(name.lower()).suffix)) is not None
    ]
    flags += found[:_MOST]
    if len(found) > _MOST:
        flags.append(f"and {len(found) - _MOST} more files like these")
    if chat_template:
        flags.append("its chat template is a program; the runtime runs it without files, network or Python")
    return tuple(flags)
