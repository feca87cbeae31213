"""Whose models, which formats and how large files may come in. Pure; knows nothing about licences or where bytes are.

A refusal names the rule and the setting that made it, so that whoever meets it knows whom to ask for what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from roundhouse.core.artifacts import Plan, PlannedFile
from roundhouse.core.errors import PolicyError

#: What weights come in, by the end of the file's name.
_FORMATS = {
    "gguf": "gguf",
    "safetensors": "safetensors",
    "onnx": "onnx",
    "tflite": "tflite",
    "npz": "pickle",
    "npy": "pickle",
} | dict.fromkeys(
    ("bin", "pt", "pth", "ckpt", "pkl", "pickle", "joblib", "dill", "h5", "hdf5", "keras", "model_state", "pdparams"),
    "pickle",
)
#: Formats whose files may run whatever their maker liked when they are opened.
PICKLE = "pickle"


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """What an administrator lets in. Owners are patterns such as ``acme-*``; the allow list, if any, is complete."""

    allowed_owners: Sequence[str] = ()
    blocked_owners: Sequence[str] = ()
    formats: Sequence[str] = ("gguf", "safetensors")
    #: Bytes of one file; ``None`` is any size.
    max_file_size: int | None = None

    def check_owner(self, ref: str) -> None:
        """Refuse a reference by whose it is; what lies on this machine is nobody's. Raises PolicyError."""
        owners = owners_of(ref)
        if not owners:
            return
        blocked = next((each for each in self.blocked_owners if _fits(owners, each)), None)
        if blocked is not None:
            message = f"models of {owners[-1]} are refused here"
            raise _refusal(message, "library.blocked_owners", blocked)
        if self.allowed_owners and not any(_fits(owners, each) for each in self.allowed_owners):
            message = f"models of {owners[-1]} are not among those that are allowed here"
            raise _refusal(message, "library.allowed_owners", ", ".join(self.allowed_owners))

    def check_file(self, file: PlannedFile) -> None:
        """Refuse a file by its format or its size. Raises PolicyError."""
        file_format = format_of(file.name)
        if file_format is not None and file_format not in {each.lower() for each in self.formats}:
            what = "a pickle, which can run any code when it is opened" if file_format == PICKLE else file_format
            message = f"{file.name} is {what}; that is not among the formats that are allowed here"
            raise _refusal(message, "library.formats", ", ".join(self.formats))
        if self.max_file_size is None or (file.size is not None and file.size <= self.max_file_size):
            return
        size = "of a size that its source does not tell" if file.size is None else f"{file.size:,} bytes large"
        message = f"{file.name} is {size}; {self.max_file_size:,} bytes are allowed here"
        raise _refusal(message, "library.max_file_size", self.max_file_size)

    def check(self, plan: Plan) -> None:
        """Refuse what may not come in, before a byte of it does. Raises PolicyError."""
        if plan.source == "bundled":  # it came in with the program
            return
        self.check_owner(plan.ref)
        for file in plan.files:
            self.check_file(file)


def format_of(name: str) -> str | None:
    """The format of the weights in a file, by its name; None when it holds no weights."""
    return _FORMATS.get(PurePosixPath(name.lower()).suffix.removeprefix("."))


def owners_of(ref: str) -> tuple[str, ...]:
    """By what names the owner of a reference may be listed, the plainest first; empty for what is on this machine."""
    scheme, _, rest = ref.partition(":")
    match scheme.lower():
        case "hf":
            owner, slash, _ = rest.partition("@")[0].partition("/")
            # The oldest repositories of the hub stand without an owner.
            return (owner.partition(":")[0].lower() if slash else "",)
        case "ollama":
            return _of_registry(rest.partition("@")[0])
        case "https" | "http":
            try:
                return ((urlsplit(ref).hostname or "").lower(),)
            except ValueError:
                return ("",)
        case _:
            return ()


def _of_registry(name: str) -> tuple[str, ...]:
    *folders, _ = name.lower().split("/")
    host = folders.pop(0) if folders and ("." in folders[0] or ":" in folders[0] or folders[0] == "localhost") else ""
    owner = "/".join(folders) or ("" if host else "library")
    return (owner, f"{host}/{owner}".rstrip("/")) if host else (owner,)


def _fits(owners: Sequence[str], pattern: str) -> bool:
    return any(fnmatchcase(owner, pattern.lower()) for owner in owners)


def _refusal(message: str, setting: str, value: object) -> PolicyError:
    hint = f"{setting} says so; whoever runs this Roundhouse can change it"
    return PolicyError(message, hint=hint, details={"rule": setting, "value": value})
