"""Making the bytes of models right again: what may be asked, and what people see of it. Knows nothing about HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from roundhouse.core.views import ByteRange

#: What became of a file: it was right, it is right again, nobody can load its wrong bytes, or nothing was done.
Outcome = Literal["right", "repaired", "quarantined", "damaged"]


@dataclass(frozen=True, slots=True)
class FileRepair:
    """One file, and what became of it."""

    name: str
    size: int
    digest: str
    outcome: Outcome
    #: Where wrong bytes were, as far as is known.
    damaged: tuple[ByteRange, ...] = ()
    #: Bytes that another file of the library had.
    bytes_from_peers: int = 0
    #: Bytes that were fetched again.
    bytes_fetched: int = 0
    #: Why it could not be repaired: ``{"code", "message", "hint"}``.
    error: Mapping[str, object] | None = None
    #: The older revision that it belongs to; ``None`` for the one that is served.
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Repair:
    """What repairing a model did, or would do."""

    model: str
    #: Every byte is right now, those of older revisions included.
    ok: bool
    dry_run: bool
    files: tuple[FileRepair, ...]
    bytes_damaged: int
    bytes_from_peers: int
    bytes_fetched: int
    duration_ms: float
    #: Models in memory that were loaded from the bytes before, and keep them until they are loaded anew.
    loaded: tuple[str, ...] = ()


class RepairDesk(Protocol):
    """Making bytes right again."""

    async def repair_model(self, name: str, *, dry_run: bool = False) -> Repair:
        """Fetch what is wrong of a model again, or put it into quarantine; what failed is in the answer.

        Raises NotFoundError; ConflictError when it is not ours to repair.
        """
