"""What a foreign store holds, in our words. Knows nothing about how any store lays it out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from roundhouse.core.artifacts import Digest, FileName


class Kind(StrEnum):
    """Whose layout a store has."""

    HUGGINGFACE = "huggingface"
    OLLAMA = "ollama"
    LMSTUDIO = "lmstudio"
    LLAMACPP = "llamacpp"
    #: Any tree of model files.
    FOLDER = "folder"


class Trouble(StrEnum):
    """What keeps something from being adopted."""

    #: Not whole: a download that was cut off, a shard that is missing.
    PARTIAL = "partial"
    #: Named by the store, and not there.
    MISSING = "missing"
    #: There, but not what it says it is.
    BROKEN = "broken"
    #: Whole, but nothing here runs it.
    UNSUPPORTED = "unsupported"
    #: A link that leads out of the store.
    OUTSIDE = "outside"
    #: Its weights never were on this machine.
    REMOTE = "remote"
    #: The store holds a newer one of the same name.
    OLDER = "older"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file of a store: the real one, whatever links led to it."""

    name: FileName
    path: Path
    size: int
    modified_ns: int
    #: Which file it is, so that another one under the same path is noticed.
    device: int
    inode: int
    #: The digest that the store claims; to be checked, not trusted.
    promised: Digest | None = None


@dataclass(frozen=True, slots=True)
class FoundModel:
    """One model of a store, as we would call it."""

    model: str
    ref: str
    source: str
    revision: str
    files: tuple[FoundFile, ...]
    #: Where it is in the store, for people.
    place: str
    #: Links and manifests that make it appear in the store: what `move` takes away with it.
    entries: tuple[Path, ...] = ()
    #: What adopting it leaves behind, in words.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a store that cannot be adopted."""

    place: str
    trouble: Trouble
    detail: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that was found in one store."""

    kind: Kind
    root: Path
    models: tuple[FoundModel, ...] = ()
    problems: tuple[Problem, ...] = ()
    #: Files that something else in the store needs too, which therefore never move.
    held: frozenset[Path] = frozenset()
