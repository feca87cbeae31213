"""What people type after ``pull``, brought into one form. Pure but for the home folder; knows nothing about sources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from roundhouse.core.artifacts import Artifact
from roundhouse.core.errors import SchemaError

_SCHEMES = {
    "hf": "hf",
    "ollama": "ollama",
    "https": "https",
    "http": "https",
    "file": "file",
    "bundled": "bundled",
}
_MODEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]|[/:](?=[A-Za-z0-9]))*", re.ASCII)
_LONGEST = 200
_PINNED = re.compile(r"^(hf:[^@:]+)@[^:]+")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*", re.ASCII)
_FORMS = "write hf:owner/repo, ollama:name:tag, https://…#sha256=…, or the path of a file"


def normal(ref: str) -> str:
    """*ref* with its scheme in front and paths made absolute, so that it means the same after a restart.

    Raises SchemaError.
    """
    text = ref.strip()
    if not text or not text.isprintable():
        message = "an empty or unprintable reference"
        raise SchemaError(message, hint=_FORMS)
    if text.startswith(("/", "./", "../", "~")) or text in {".", ".."}:
        text = f"file:{text}"
    scheme_of(text)
    if text.startswith("file:"):
        return f"file:{_absolute(text.removeprefix('file:').removeprefix('//'))}"
    return text


def _absolute(path: str) -> Path:
    """*path* from the root on. Raises SchemaError."""
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        message = f"nobody here is called {path.partition('/')[0][1:80]!r}, so there is no home folder of theirs"
        raise SchemaError(message, hint=_FORMS) from error


def scheme_of(ref: str) -> str:
    """The scheme of the source that *ref* belongs to. Raises SchemaError."""
    scheme = _SCHEMES.get(ref.partition(":")[0].lower()) if ":" in ref else None
    if scheme is None:
        message = f"not a reference: {ref[:80]!r}"
        looks_like_repo = re.fullmatch(r"[\w.-]+/[\w.-]+(:\S+)?", ref) is not None
        raise SchemaError(message, hint=f"did you mean hf:{ref}?" if looks_like_repo else _FORMS)
    return scheme


def origin(ref: str) -> str:
    """What stays the same between two versions of one model: the repository, the path, the address."""
    if scheme_of(ref) == "hf":
        return re.split(r"[@:]", ref.removeprefix("hf:"), maxsplit=1)[0].lower()
    if scheme_of(ref) == "ollama":
        # A colon before the last slash belongs to the host's port.
        return re.sub(r":[^/:]*$", "", ref.partition("@")[0].removeprefix("ollama:")).lower().removeprefix("library/")
    return ref.partition("#")[0]


def addresses(artifact: Artifact) -> Iterator[str]:
    """Where the bytes of *artifact* may be had again: its very revision first, then whatever stands there by now."""
    exact = pinned(artifact.ref, artifact.revision)
    if exact != artifact.ref:
        yield exact
    if scheme_of(exact) == "hf" and ":" not in exact.removeprefix("hf:"):
        # Which variant is taken then depends on this machine's memory.
        tags = (artifact.model.partition(":")[2], artifact.quantization)
        yield from (f"{exact}:{tag}" for tag in dict.fromkeys(tags) if tag)
    yield artifact.ref


def unpinned(ref: str) -> str:
    """*ref* without the revision that it may name, and without what an address may carry besides its place."""
    match scheme_of(ref):
        case "hf":
            return _PINNED.sub(r"\1", ref)
        case "ollama":
            return ref.partition("@")[0]
        case "https":
            address, _, digest = ref.partition("#")
            return f"{address.partition('?')[0]}#{digest.lower()}"
    return ref


def pinned(ref: str, revision: str) -> str:
    """What brings exactly *revision* of *ref*, as far as its source has revisions that can be asked for."""
    if scheme_of(ref) == "hf" and _REVISION.fullmatch(revision):
        owner, colon, wanted = unpinned(ref).removeprefix("hf:").partition(":")
        return f"hf:{owner}@{revision}{colon}{wanted}"
    if scheme_of(ref) == "ollama" and revision.startswith("sha256:"):
        return f"{unpinned(ref)}@{revision}"
    return ref


def checked_name(name: str) -> str:
    """*name*, if a model may be called that. Raises SchemaError."""
    if len(name) > _LONGEST or not _MODEL.fullmatch(name):
        message = f"a model cannot be called {name[:80]!r}"
        hint = "letters, digits, dots, dashes and underscores; slashes and colons in between"
        raise SchemaError(message, hint=hint)
    return name
