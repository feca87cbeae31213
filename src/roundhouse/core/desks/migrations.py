"""Adopting the models that other programs have on this machine, as people ask for it and see it."""

# No postponed annotations: msgspec and pydantic read these types.

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

StoreKind = Literal["huggingface", "ollama", "lmstudio", "llamacpp", "folder"]
MigrationMode = Literal["auto", "link", "reflink", "copy", "move", "reference"]
ConflictPolicy = Literal["skip", "keep-both", "replace"]


@dataclass(frozen=True, slots=True)
class MigrationWish:
    """What to adopt, and how."""

    #: A kind of store, looked for at its usual place, or the absolute path of a folder.
    source: str
    #: Whose layout a folder has; by its contents when ``None``.
    kind: StoreKind | None = None
    mode: MigrationMode = "auto"
    on_conflict: ConflictPolicy = "skip"


@dataclass(frozen=True, slots=True)
class MigrationModel:
    """One model that is or would be adopted."""

    model: str
    ref: str
    #: Where it is in the store.
    place: str
    size: int
    #: How its largest file comes: ``link``, ``reflink``, ``copy``, ``reference``, or ``present`` when it is here.
    method: str
    #: ``planned``, ``adopted``, ``failed`` or ``undone``.
    state: str = "planned"
    #: Models of the library that it takes the place of.
    replaces: Sequence[str] = ()
    #: What it leaves behind, in words.
    notes: Sequence[str] = ()
    error: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class MigrationConflict:
    """A model of the store that does not go together with one of the library."""

    model: str
    place: str
    clash: str
    #: The model that is here.
    known: str
    resolution: ConflictPolicy


@dataclass(frozen=True, slots=True)
class MigrationProblem:
    """Something in the store that cannot be adopted."""

    place: str
    #: ``partial``, ``missing``, ``broken``, ``unsupported``, ``outside``, ``remote`` or ``older``.
    trouble: str
    detail: str


@dataclass(frozen=True, slots=True)
class MigrationPlanView:
    """What adopting a store would do."""

    kind: StoreKind
    path: str
    mode: MigrationMode
    on_conflict: ConflictPolicy
    models: Sequence[MigrationModel]
    #: Models that are here already, with the same bytes.
    unchanged: Sequence[str]
    conflicts: Sequence[MigrationConflict]
    problems: Sequence[MigrationProblem]
    bytes_total: int
    #: Bytes that need room on the library's disk.
    bytes_copied: int
    #: Bytes that are shared instead: what this saves.
    bytes_shared: int
    #: Files and links that `move` takes out of the store.
    files_leaving: int = 0


@dataclass(frozen=True, slots=True)
class MigrationView:
    """A migration as it stands."""

    #: ``None`` when there was nothing to do, and so nothing to take back.
    id: str | None
    #: ``applying``, ``applied``, ``undoing`` or ``undone``.
    state: str
    created_at: datetime
    bytes_done: int
    plan: MigrationPlanView
    #: What a rollback could not put back, in words.
    left: Sequence[str] = ()


class MigrationsDesk(Protocol):
    """Models of other programs, brought into the library and taken back."""

    async def stores(self) -> Sequence[MigrationPlanView]:
        """What is found at the usual places, and what adopting it would do."""

    async def plan_migration(self, wish: MigrationWish) -> MigrationPlanView:
        """Look and decide, and change nothing. Raises NotFoundError, ForbiddenError, SchemaError."""

    async def start_migration(self, wish: MigrationWish) -> MigrationView:
        """Begin; what is here already is left alone. Raises also ConflictError when one is under way, DiskError."""

    async def migrations(self) -> Sequence[MigrationView]:
        """List those that can be taken back, and those that were, newest first."""

    async def migration(self, migration_id: str) -> MigrationView:
        """Show one. Raises NotFoundError."""

    async def rollback_migration(self, migration_id: str) -> MigrationView:
        """Take back all that one did. Raises NotFoundError; ConflictError when another one is under way."""

    async def forget_migration(self, migration_id: str) -> MigrationView:
        """Let go of the way back, and tell what it was. Raises NotFoundError; ConflictError when it is not over."""
