"""The registry going out and coming in, for people: as a JSON document, or as a tar with the bytes.

Knows nothing about their formats.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

# No postponed annotations: pydantic and msgspec read these types.

#: What to do about a model whose name is here with other bytes.
OnConflict = Literal["fail", "skip", "keep-both", "replace"]
#: ``missing``: its bytes are not here, so it is not registered.
ImportState = Literal["added", "replaced", "unchanged", "skipped", "missing"]


@dataclass(frozen=True, slots=True)
class Import:
    """How to bring models in."""

    on_conflict: OnConflict = "fail"
    dry_run: bool = False
    #: Start to pull the exact revisions of those whose bytes are not here.
    fetch: bool = False


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """What became of one model of a document or a bundle, or would become of it."""

    #: What it is called here.
    name: str
    state: ImportState
    ref: str
    revision: str
    #: Bytes of all its files.
    size: int
    #: Why, in one sentence, when it is not simply there now.
    reason: str | None = None
    #: The reference that brings exactly these bytes, when they are missing and can be had again.
    fetch: str | None = None
    #: The transfer that was started for them.
    transfer: str | None = None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do."""

    models: tuple[ImportedModel, ...]
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Bundle:
    """A tar on its way out. Iterating raises VerifyError when a byte is not what it was; then the tar has no end."""

    size: int
    models: tuple[str, ...]
    chunks: AsyncIterator[bytes]


class ExchangeDesk(Protocol):
    """The registry, out and in."""

    async def export_registry(self, names: Sequence[str]) -> bytes:
        """Write down all models, or those named. Raises NotFoundError."""

    async def import_registry(self, document: bytes, how: Import) -> ImportReport:
        """Register what *document* tells of and whose bytes are here: all of it or nothing.

        Raises SchemaError, which names the JSON path; ConflictError.
        """

    async def bundle(self, names: Sequence[str]) -> Bundle:
        """Pack models with their bytes. Raises NotFoundError, SchemaError when none is named, VerifyError."""

    async def import_bundle(self, chunks: AsyncIterator[bytes], how: Import) -> ImportReport:
        """Take in a tar that `bundle` made: all of it or nothing.

        Raises SchemaError, VerifyError, ConflictError, DiskError.
        """
