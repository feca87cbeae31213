"""The desk of migrations in memory: stores made of plans; every model that is planned is adopted at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from roundhouse.core.desks.migrations import (
    MigrationModel,
    MigrationPlanView,
    MigrationProblem,
    MigrationView,
    MigrationWish,
)
from roundhouse.core.errors import ForbiddenError, NotFoundError, SchemaError, VerifyError

_NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def a_migration_plan(*models: str, path: str = "/home/ada/.ollama/models") -> MigrationPlanView:
    """Build the plan for an Ollama store of so many gigabytes as models, and one half of a download."""
    size = 1 << 30
    return MigrationPlanView(
        kind="ollama",
        path=path,
        mode="auto",
        on_conflict="skip",
        models=tuple(
            MigrationModel(name, f"ollama:{name}", f"manifests/{name}", size, "link", notes=("no template",))
            for name in models
        ),
        unchanged=(),
        conflicts=(),
        problems=(MigrationProblem("blobs/sha256-00-partial", "partial", "a download that was cut off"),),
        bytes_total=size * len(models),
        bytes_copied=0,
        bytes_shared=size * len(models),
    )


@dataclass
class InMemoryMigrations:
    """Answers `MigrationsDesk`."""

    foreign: list[MigrationPlanView] = field(default_factory=list)
    migrated: list[MigrationView] = field(default_factory=list)
    #: Names of models whose bytes are not what their store promises.
    lying: set[str] = field(default_factory=set)

    async def stores(self) -> Sequence[MigrationPlanView]:
        """List what was put here."""
        return tuple(self.foreign)

    async def plan_migration(self, wish: MigrationWish) -> MigrationPlanView:
        """Find the plan of that kind or path, less what was adopted.

        Raises NotFoundError, ForbiddenError, SchemaError.
        """
        if wish.source.startswith(("/proc", "/sys", "/dev")):
            message = f"{wish.source} is nobody's store"
            raise ForbiddenError(message)
        for plan in self.foreign:
            if wish.source in {plan.kind, plan.path}:
                adopted = {
                    model.model for view in self.migrated if view.state == "applied" for model in view.plan.models
                }
                left = tuple(model for model in plan.models if model.model not in adopted)
                here = tuple(model.model for model in plan.models if model.model in adopted)
                return replace(plan, mode=wish.mode, on_conflict=wish.on_conflict, models=left, unchanged=here)
        if not wish.source.startswith("/") and wish.source not in {"huggingface", "ollama", "lmstudio", "llamacpp"}:
            message = f"not an absolute path: {wish.source!r}"
            raise SchemaError(message)
        message = f"there is no folder {wish.source}"
        raise NotFoundError(message)

    async def start_migration(self, wish: MigrationWish) -> MigrationView:
        """Adopt at once. Raises NotFoundError, ForbiddenError, SchemaError."""
        plan = await self.plan_migration(wish)
        if not plan.models:
            return MigrationView(None, "applied", _NOON, 0, plan)
        adopted = replace(plan, models=tuple(self._adopted(model) for model in plan.models))
        view = MigrationView(f"{len(self.migrated) + 1:012x}", "applied", _NOON, plan.bytes_total, adopted)
        self.migrated.insert(0, view)
        return view

    def _adopted(self, model: MigrationModel) -> MigrationModel:
        if model.model not in self.lying:
            return replace(model, state="adopted")
        return replace(model, state="failed", error=VerifyError("its bytes are others").to_dict())

    async def migrations(self) -> Sequence[MigrationView]:
        """List them, newest first."""
        return tuple(self.migrated)

    async def migration(self, migration_id: str) -> MigrationView:
        """Show one. Raises NotFoundError."""
        return self.migrated[self._place_of(migration_id)]

    async def rollback_migration(self, migration_id: str) -> MigrationView:
        """Take one back. Raises NotFoundError."""
        place = self._place_of(migration_id)
        known = self.migrated[place]
        models = tuple(replace(model, state="undone") for model in known.plan.models)
        self.migrated[place] = replace(known, state="undone", bytes_done=0, plan=replace(known.plan, models=models))
        return self.migrated[place]

    async def forget_migration(self, migration_id: str) -> MigrationView:
        """Let go of the way back. Raises NotFoundError."""
        return self.migrated.pop(self._place_of(migration_id))

    def _place_of(self, migration_id: str) -> int:
        for place, known in enumerate(self.migrated):
            if known.id == migration_id:
                return place
        message = f"there is no migration {migration_id!r}"
        raise NotFoundError(message, hint="list them with `roundhouse models migrate --list`")
