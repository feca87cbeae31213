"""What a migration is about to do and has done, on disk. Knows nothing about how it is done. Everything here blocks.

One folder per migration: ``plan.json`` is written once and whole; ``journal`` grows by one line per event, on the disk
before what it announces happens. A last line that is cut off was never announced.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from roundhouse.core.artifacts import Artifact, Digest, FileName, Fingerprint, Older
from roundhouse.core.errors import NotFoundError
from roundhouse.disk.durable import sync_folder
from roundhouse.migration.planning import MigrationPlan

_ID = re.compile(r"[0-9a-f]{12}")


class Header(msgspec.Struct, frozen=True):
    """The first thing that is known about a migration."""

    id: str
    created_at: datetime
    plan: MigrationPlan


class Adopting(msgspec.Struct, frozen=True, tag="adopting"):
    """A model is about to be registered; what was there before."""

    model: str
    digests: tuple[Digest, ...]
    #: Blobs that were not there before.
    fresh: tuple[Digest, ...]
    #: Models that it takes the place of.
    before: tuple[Artifact, ...] = ()
    #: Their older revisions.
    older: tuple[Older, ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()

    @property
    def held(self) -> tuple[Artifact, ...]:
        """All whose bytes are needed for the way back."""
        return (*self.before, *(each.artifact for each in self.older))


class Adopted(msgspec.Struct, frozen=True, tag="adopted"):
    """A model is registered, and its bytes were right."""

    model: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A model could not be adopted; nothing of it is left."""

    model: str
    error: dict[str, object]


class Leaving(msgspec.Struct, frozen=True, tag="leaving"):
    """A file or link is about to leave the store; what it takes to put it back."""

    path: str
    #: Its digest when the library has its bytes; else they, or the target of the link, are kept under this number.
    digest: Digest | None
    kept: int | None
    target: str | None
    mode: int
    owner: tuple[int, int]
    #: Device and number: the library may hold the very same file.
    inode: tuple[int, int]
    modified_ns: int
    accessed_ns: int
    #: When the folder around it was last changed.
    folder_ns: tuple[int, int]


class Marked(msgspec.Struct, frozen=True, tag="marked"):
    """The whole migration has come to a point."""

    #: ``applied``, ``undoing`` or ``undone``.
    point: str
    #: What could not be put back, in words.
    left: tuple[str, ...] = ()


Event = Adopting | Adopted | Failed | Leaving | Marked


def _encoded(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str):
        return str.__str__(value)
    raise NotImplementedError


def _decoded(kind: type, value: object) -> object:
    if kind in {Path, Digest, FileName}:
        return kind(str(value))
    if kind is object:  # the details of an error
        return value
    raise NotImplementedError


_ENCODER = msgspec.json.Encoder(enc_hook=_encoded)
_HEADER = msgspec.json.Decoder(Header, dec_hook=_decoded)
_EVENT = msgspec.json.Decoder(Event, dec_hook=_decoded)


class Journal:
    """One migration on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def id(self) -> str:
        """The migration's id."""
        return self.folder.name

    @property
    def staged(self) -> Path:
        """Where files are until they are proven."""
        return self.folder / "staged"

    @property
    def kept(self) -> Path:
        """What was replaced or moved, for going back."""
        return self.folder / "kept"

    def begin(self, header: Header) -> None:
        """Write the plan. From here on the migration exists. Raises OSError."""
        self.folder.mkdir(parents=True)
        draft = self.folder / "plan.tmp"
        with draft.open("xb") as file:
            file.write(_ENCODER.encode(header))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.folder / "plan.json")
        sync_folder(self.folder)
        sync_folder(self.folder.parent)

    def header(self) -> Header:
        """What is being done. Raises NotFoundError."""
        try:
            return _HEADER.decode((self.folder / "plan.json").read_bytes())
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            raise _unknown(self.id) from error

    def write(self, event: Event) -> None:
        """Add an event; it is on the disk when this returns. Raises OSError."""
        with (self.folder / "journal").open("ab") as file:
            if file.tell() and not self._ends_whole():
                file.write(b"\n")
            file.write(_ENCODER.encode(event) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self.folder)

    def _ends_whole(self) -> bool:
        with (self.folder / "journal").open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def events(self) -> Sequence[Event]:
        """What has happened, in order."""
        return list(self._events())

    def _events(self) -> Iterator[Event]:
        path = self.folder / "journal"
        for line in path.read_bytes().splitlines() if path.exists() else ():
            try:
                yield _EVENT.decode(line)
            except (msgspec.MsgspecError, ValueError):  # cut off by a kill: what it announced never began
                continue

    def tidy(self) -> None:
        """Remove what was staged and kept."""
        for folder in (self.staged, self.kept):
            shutil.rmtree(folder, ignore_errors=True)


class Journals:
    """All migrations of one library."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def journal(self, migration_id: str) -> Journal:
        """One of them, new or known. Raises NotFoundError for what can be no id."""
        if not _ID.fullmatch(migration_id):
            raise _unknown(migration_id)
        return Journal(self._folder / migration_id)

    def known(self) -> Sequence[Journal]:
        """Those that have begun, newest first; what was killed before that is removed."""
        begun = []
        for folder in self._folder.glob("*") if self._folder.is_dir() else ():
            journal = Journal(folder)
            if (folder / "plan.json").is_file():
                with suppress(NotFoundError):
                    begun.append((journal.header().created_at, journal.id, journal))
            elif _ID.fullmatch(folder.name):
                shutil.rmtree(folder, ignore_errors=True)
        return [journal for _, _, journal in sorted(begun, key=lambda each: each[:2], reverse=True)]

    def forget(self, migration_id: str) -> None:
        """Remove a journal, the plan first. Raises NotFoundError."""
        journal = self.journal(migration_id)
        journal.header()
        (journal.folder / "plan.json").unlink()
        shutil.rmtree(journal.folder, ignore_errors=True)


def _unknown(migration_id: str) -> NotFoundError:
    message = f"there is no migration {migration_id[:40]!r}"
    return NotFoundError(message, hint="list them with `roundhouse models migrate --list`")
