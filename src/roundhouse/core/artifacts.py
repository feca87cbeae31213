"""Models as files: references, plans, blobs, artifacts, and the terms that they come under.

Knows nothing about where bytes come from. Licences go by SPDX ids in lower case, or by a hub's own word.

Digests and file names are validated here, by type, before any path is made from them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Self

from roundhouse.core.errors import SchemaError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_PATH, _LONGEST_NAME = 1024, 255
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\..*)?")


class Digest(str):
    """The sha256 of some bytes, as 64 lower-case hex digits.

    Raises:
        SchemaError: it is anything else.

    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """Accept ``sha256:…``, ``sha256-…`` and bare hex."""
        text = value.strip().lower().removeprefix("sha256:").removeprefix("sha256-")
        if not _SHA256.fullmatch(text):
            message = f"not a sha256 digest: {value[:80]!r}"
            raise SchemaError(message, hint="a digest is 64 hexadecimal digits")
        return super().__new__(cls, text)


class FileName(str):
    """A relative POSIX path that is safe to create on every platform.

    Raises:
        SchemaError: absolute, escaping, or meaning something special on POSIX or Windows.

    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """Check every part under POSIX and Windows rules."""
        if not value or len(value) > _LONGEST_PATH or any(not _safe(part) for part in value.split("/")):
            message = f"not a safe file name: {value[:80]!r}"
            raise SchemaError(message)
        return super().__new__(cls, value)


def is_device(part: str) -> bool:
    """Whether *part* means a device on Windows, whatever stands behind its dot."""
    return _RESERVED.fullmatch(part) is not None


def _safe(part: str) -> bool:
    """Whether *part* is an ordinary name of one folder entry."""
    return (
        0 < len(part.encode("utf-8", "surrogatepass")) <= _LONGEST_NAME
        and part not in {".", ".."}
        and part.isprintable()
        and not any(char in part for char in '\\:*?"<>|')
        and not part.endswith((" ", "."))
        and not is_device(part)
    )


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file that a transfer will fetch."""

    name: FileName
    #: Bytes; ``None`` when the source does not tell beforehand.
    size: int | None
    #: ``None`` when nobody promised one: then what arrives is what it is.
    digest: Digest | None
    #: Where the source finds it again, opaque to everybody else. Holds no credentials.
    locator: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a reference resolved to: an exact revision and its files."""

    #: The reference as the user wrote it, without secrets.
    ref: str
    source: str
    #: The name the model will be asked for by.
    model: str
    revision: str
    files: tuple[PlannedFile, ...]
    license: str | None = None
    #: Why these files, when the source had a choice: one sentence.
    reason: str | None = None
    #: What its publisher calls the licence, where it can be read, and who says so.
    license_name: str | None = None
    license_url: str | None = None
    license_source: str | None = None
    #: The files that hold its text, at this revision.
    license_files: tuple[PlannedFile, ...] = ()
    #: What exactly somebody agrees to; known once the text was read.
    license_digest: Digest | None = None
    #: What of the source would execute code: one sentence each.
    code: tuple[str, ...] = ()
    #: Tokens that the model was trained on, if the source tells.
    context: int | None = None


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """One file of an artifact that we hold: its name and the blob with its bytes."""

    name: FileName
    size: int
    digest: Digest


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a blob's bytes were when all of them were read: enough to tell later which of them have changed."""

    digest: Digest
    size: int
    #: When the file was last written, as the file system tells it, in nanoseconds.
    modified_ns: int
    #: Bytes of every chunk but the last.
    chunk_bytes: int
    #: The digest of each chunk, from the first byte on.
    chunks: tuple[Digest, ...]

    def stretch(self, number: int) -> Stretch:
        """Where chunk *number* lies."""
        offset = number * self.chunk_bytes
        return Stretch(offset, min(self.chunk_bytes, self.size - offset))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some bytes of a file that follow each other."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Artifact:
    """A runnable model on our disk."""

    model: str
    ref: str
    source: str
    revision: str
    files: tuple[ArtifactFile, ...]
    format: str
    created_at: datetime
    architecture: str | None = None
    quantization: str | None = None
    context: int | None = None
    parameters: int | None = None
    has_chat_template: bool = False
    license: str | None = None
    verified_at: datetime | None = None
    #: The terms that it came under, and who said so.
    license_digest: Digest | None = None
    license_source: str | None = None

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def key(self) -> str:
        """What tells these bytes under these names from any others: 12 hex digits."""
        names = "\n".join(f"{file.name} {file.digest}" for file in self.files)
        return hashlib.sha256(names.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Older:
    """A revision of a model that is kept, and not the one that is served."""

    artifact: Artifact
    #: When another one took its place.
    served_until: datetime


#: Whether a licence is in somebody's way: nobody need agree, nobody names one, agreed, not yet agreed, not wanted here.
LicenseState = Literal["free", "unknown", "accepted", "needed", "refused"]


@dataclass(frozen=True, slots=True)
class Terms:
    """The words that somebody agrees to."""

    #: Of the text; where there is none, of what its name, its address and its model say instead.
    digest: Digest
    #: ``None`` when nobody says.
    license: str | None
    seen_at: datetime
    #: What its publisher calls it, and where it can be read.
    name: str | None = None
    url: str | None = None
    #: Who says so: ``hub``, ``registry``, ``folder``, ``header`` or ``bundled``.
    source: str | None = None
    #: The reference and the revision that it was first met at.
    ref: str | None = None
    revision: str | None = None
    text: str | None = None

    @property
    def text_sha256(self) -> Digest | None:
        """The digest of the text, if there is a text."""
        return None if self.text is None else self.digest


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Somebody agreed to some terms."""

    principal: str
    digest: Digest
    license: str | None
    at: datetime


class TransferState(StrEnum):
    """Where a transfer is."""

    QUEUED = "queued"
    RESOLVING = "resolving"
    DOWNLOADING = "downloading"
    REGISTERING = "registering"
    #: Somebody wants it to wait, or there is no room for it.
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    #: Somebody ended it, and nothing of it was kept.
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self in {TransferState.DONE, TransferState.FAILED, TransferState.CANCELLED}


@dataclass(frozen=True, slots=True)
class Transfer:
    """Bytes on their way in, as people see them."""

    id: str
    ref: str
    state: TransferState
    created_at: datetime
    updated_at: datetime
    model: str | None = None
    bytes_total: int | None = None
    #: Bytes on disk and journaled; never goes back.
    bytes_done: int = 0
    #: Why it waits or failed: ``{"code", "message", "hint"}``.
    error: dict[str, object] | None = None
    #: Bytes per second that this one may take; ``None`` when only the common limit holds.
    bandwidth: int | None = None
    #: Among those that wait, the highest is next.
    priority: int = 0
    #: Who started it; ``None`` when Roundhouse itself did.
    principal: str | None = None
