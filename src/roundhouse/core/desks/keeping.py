"""What people say about models, and cleaning up: the views and the desk. Knows nothing about HTTP or disks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class MarkView:
    """What is said about one model."""

    model: str
    pinned: bool
    tags: tuple[str, ...]
    last_used_at: datetime | None
    times_used: int


@dataclass(frozen=True, slots=True)
class CollectionWish:
    """What cleaning up should reach; what is not said is as the settings say."""

    dry_run: bool = False
    #: Models that answered nothing for so long may go.
    unused_for_s: float | None = None
    #: Bytes that the library may take.
    quota: int | None = None
    #: Bytes of its disk that must be free.
    min_free: int | None = None
    #: Only what no model needs: no model goes.
    orphans_only: bool = False
    #: Also models that could not be fetched again.
    include_local: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """One model: whether it goes, why, and what that frees."""

    model: str
    removed: bool
    reason: str
    #: What removing it, and those before it, adds to the free space; 0 when it stays.
    bytes_freed: int
    size: int
    last_used_at: datetime | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftoverView:
    """One thing on the disk that no model needs: whether it goes, and why."""

    path: str
    kind: str
    removed: bool
    reason: str
    bytes_freed: int


@dataclass(frozen=True, slots=True)
class Collection:
    """What cleaning up did, or would do."""

    dry_run: bool
    bytes_freed: int
    #: Those that go first, in their order.
    models: tuple[Judged, ...]
    leftovers: tuple[LeftoverView, ...]
    #: Bytes of the library and free bytes of its disk, before.
    bytes_used: int
    disk_free: int
    #: Bytes that could not be freed although they should be; 0 when every wish is met.
    bytes_missing: int


class KeepingDesk(Protocol):
    """What stays, and what may go."""

    async def pin_model(self, name: str, *, pinned: bool) -> MarkView:
        """Let cleaning up never take a model, or again. Raises NotFoundError, ConflictError."""

    async def tag_model(self, name: str, add: Sequence[str], remove: Sequence[str]) -> MarkView:
        """Put tags on a model and take others off. Raises NotFoundError, ConflictError, SchemaError."""

    async def collect(self, wish: CollectionWish) -> Collection:
        """Clean up, or tell what that would do. Raises DiskError."""
