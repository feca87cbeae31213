"""``/migrations`` and ``/stores``: the models of other programs on this machine.

A path in a request is read by the server, so all of this needs a permission of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from roundhouse.access.permissions import Permission
from roundhouse.api.fields import Name, Text
from roundhouse.api.guard import needs
from roundhouse.core.desks.migrations import (
    ConflictPolicy,
    MigrationMode,
    MigrationPlanView,
    MigrationsDesk,
    MigrationView,
    MigrationWish,
    StoreKind,
)


class MigrationRequest(BaseModel):
    """What to adopt."""

    model_config = ConfigDict(extra="forbid", strict=True)

    source: Text = Field(
        min_length=1,
        max_length=4096,
        description="`huggingface`, `ollama`, `lmstudio`, `llamacpp`, or the absolute path of a folder",
    )
    kind: StoreKind | None = Field(default=None, description="whose layout the folder has; found out when absent")
    mode: MigrationMode = Field(default="auto", description="how bytes come in; `auto` is the cheapest that works")
    on_conflict: ConflictPolicy = Field(default="skip", description="what becomes of models that are here differently")
    dry_run: bool = Field(default=False, description="plan, and change nothing")


@dataclass(frozen=True, slots=True)
class Stores:
    """What is found at the usual places."""

    stores: Sequence[MigrationPlanView]


@dataclass(frozen=True, slots=True)
class Migrations:
    """Migrations, newest first."""

    migrations: Sequence[MigrationView]


@dataclass(frozen=True, slots=True)
class PlannedMigration:
    """What a migration would do."""

    plan: MigrationPlanView


def add_migrations(router: APIRouter, desk: MigrationsDesk) -> None:
    """Add the routes of migrations."""
    migrate = needs(Permission.MODELS_MIGRATE)

    @router.get("/api/v1/stores", tags=["migrations"], openapi_extra=migrate)
    async def list_stores() -> Stores:
        """Look for the stores of other programs at their usual places."""
        return Stores(await desk.stores())

    @router.post(
        "/api/v1/migrations",
        tags=["migrations"],
        status_code=HTTPStatus.ACCEPTED,
        responses={HTTPStatus.OK: {"model": PlannedMigration, "description": "`dry_run`: what it would do"}},
        openapi_extra=migrate,
    )
    async def start_migration(request: MigrationRequest, response: Response) -> MigrationView | PlannedMigration:
        """Adopt the models of a store; what is here already is left alone."""
        wish = MigrationWish(request.source, request.kind, request.mode, request.on_conflict)
        if request.dry_run:
            response.status_code = HTTPStatus.OK
            return PlannedMigration(await desk.plan_migration(wish))
        return await desk.start_migration(wish)

    @router.get("/api/v1/migrations", tags=["migrations"], openapi_extra=migrate)
    async def list_migrations() -> Migrations:
        """List migrations, newest first."""
        return Migrations(await desk.migrations())

    @router.get("/api/v1/migrations/{id}", tags=["migrations"], openapi_extra=migrate)
    async def show_migration(id: Name) -> MigrationView:  # noqa: A002 - the field's word
        """Show one migration with its progress."""
        return await desk.migration(id)

    @router.post("/api/v1/migrations/{id}/rollback", tags=["migrations"], openapi_extra=migrate)
    async def rollback_migration(id: Name) -> MigrationView:  # noqa: A002 - the field's word
        """Take back all that a migration did."""
        return await desk.rollback_migration(id)

    @router.delete("/api/v1/migrations/{id}", tags=["migrations"], openapi_extra=migrate)
    async def forget_migration(id: Name) -> MigrationView:  # noqa: A002 - the field's word
        """Let go of the way back, and of the bytes that were kept for it; the models stay."""
        return await desk.forget_migration(id)
