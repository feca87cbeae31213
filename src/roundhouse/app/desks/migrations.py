"""Adopting the models of other programs, for the API and the pages."""

from __future__ import annotations

from collections.abc import Sequence

from roundhouse.app.rooms import Rooms
from roundhouse.core.desks.migrations import (
    MigrationConflict,
    MigrationModel,
    MigrationPlanView,
    MigrationProblem,
    MigrationView,
    MigrationWish,
)
from roundhouse.migration import Kind, MigrationPlan, Mode, OnConflict, Outcome, Step, Wish


class MigrationDesk:
    """Plans, starts and takes back migrations."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def stores(self) -> Sequence[MigrationPlanView]:
        """What is found at the usual places, and what adopting it would do."""
        return [_plan(plan, _models(plan)) for plan in await self._rooms.migrations.stores()]

    async def plan_migration(self, wish: MigrationWish) -> MigrationPlanView:
        """Look and decide, and change nothing. Raises NotFoundError, ForbiddenError, SchemaError."""
        plan = await self._rooms.migrations.plan(wish.source, _kind(wish), _wish(wish))
        return _plan(plan, _models(plan))

    async def start_migration(self, wish: MigrationWish) -> MigrationView:
        """Begin. Raises what `plan_migration` raises; ConflictError when one is under way, DiskError."""
        return _view(await self._rooms.migrations.start(wish.source, _kind(wish), _wish(wish)))

    async def migrations(self) -> Sequence[MigrationView]:
        """List them, newest first."""
        return [_view(outcome) for outcome in await self._rooms.migrations.list()]

    async def migration(self, migration_id: str) -> MigrationView:
        """Show one. Raises NotFoundError."""
        return _view(await self._rooms.migrations.show(migration_id))

    async def rollback_migration(self, migration_id: str) -> MigrationView:
        """Take back all that one did. Raises NotFoundError, ConflictError."""
        return _view(await self._rooms.migrations.rollback(migration_id))

    async def forget_migration(self, migration_id: str) -> MigrationView:
        """Let go of the way back, and tell what it was. Raises NotFoundError, ConflictError."""
        return _view(await self._rooms.migrations.forget(migration_id))


def _kind(wish: MigrationWish) -> Kind | None:
    return None if wish.kind is None else Kind(wish.kind)


def _wish(wish: MigrationWish) -> Wish:
    return Wish(Mode(wish.mode), OnConflict(wish.on_conflict))


def _view(outcome: Outcome) -> MigrationView:
    return MigrationView(
        id=outcome.id,
        state=outcome.state,
        created_at=outcome.created_at,
        bytes_done=outcome.bytes_done,
        plan=_plan(outcome.plan, [_outcome(model, outcome) for model in _models(outcome.plan)]),
        left=outcome.left,
    )


def _models(plan: MigrationPlan) -> Sequence[MigrationModel]:
    return [_model(step) for step in plan.steps]


def _model(step: Step) -> MigrationModel:
    largest = max(step.tasks, key=lambda task: task.file.size)
    return MigrationModel(
        model=step.model,
        ref=step.found.ref,
        place=step.found.place,
        size=sum(task.file.size for task in step.tasks),
        method=largest.method.value,
        replaces=step.replaces,
        notes=step.found.notes,
    )


def _outcome(model: MigrationModel, outcome: Outcome) -> MigrationModel:
    """*model* with what became of it."""
    error = dict(outcome.failed).get(model.model)
    state = "planned"
    if outcome.state == "undone":
        state = "undone"
    elif error is not None:
        state = "failed"
    elif model.model in outcome.adopted:
        state = "adopted"
    return MigrationModel(
        model.model, model.ref, model.place, model.size, model.method, state, model.replaces, model.notes, error
    )


def _plan(plan: MigrationPlan, models: Sequence[MigrationModel]) -> MigrationPlanView:
    return MigrationPlanView(
        kind=plan.kind.value,
        path=str(plan.root),
        mode=plan.wish.mode.value,
        on_conflict=plan.wish.on_conflict.value,
        models=models,
        unchanged=plan.unchanged,
        conflicts=[
            MigrationConflict(each.model, each.place, each.clash.value, each.known, each.resolution.value)
            for each in plan.conflicts
        ],
        problems=[MigrationProblem(each.place, each.trouble.value, each.detail) for each in plan.problems],
        bytes_total=plan.bytes_total,
        bytes_copied=plan.bytes_copied,
        bytes_shared=plan.bytes_shared,
        files_leaving=len(plan.leaving),
    )
