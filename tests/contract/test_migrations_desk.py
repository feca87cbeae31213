"""What every desk of migrations promises. The stores of a house under test are those of `home`, or of plans."""

from pathlib import Path

import pytest

from roundhouse.core.desks.migrations import MigrationView, MigrationWish
from roundhouse.core.errors import ForbiddenError, NotFoundError, SchemaError
from roundhouse.core.management import Management
from roundhouse.testing.desks.migrations import a_migration_plan
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.management_service import InMemoryManagement
from roundhouse.testing.stores import OllamaStore


@pytest.fixture
def source(management: Management, tmp_path: Path) -> str:
    """A store with one model and half of another."""
    store = OllamaStore(tmp_path / "theirs" / ".ollama")
    if isinstance(management, InMemoryManagement):
        management.foreign.append(a_migration_plan("tiny:latest", path=str(store.root)))
    store.add("tiny:latest", {"model": a_gguf(bytes(64)), "template": b"x"})
    (store.root / "blobs" / f"sha256-{'0' * 64}-partial").touch()
    return str(store.root)


async def ended(management: Management, view: MigrationView) -> MigrationView:
    """*view* when nothing happens to it any more."""
    while view.id is not None and view.state in {"applying", "undoing"}:
        view = await management.migration(view.id)
    return view


async def test_a_plan_says_what_comes_and_what_cannot(management: Management, source: str) -> None:
    """Nothing is changed by it."""
    plan = await management.plan_migration(MigrationWish(source))
    assert ("ollama", source, ["tiny:latest"]) == (plan.kind, plan.path, [model.model for model in plan.models])
    assert (["partial"], plan.bytes_total) == ([each.trouble for each in plan.problems], plan.bytes_shared)
    assert [] == list(await management.migrations())


async def test_a_migration_is_listed_and_shown(management: Management, source: str) -> None:
    """With what became of each model."""
    view = await ended(management, await management.start_migration(MigrationWish(source)))
    assert ("applied", ["adopted"]) == (view.state, [model.state for model in view.plan.models])
    assert [view] == list(await management.migrations())
    assert view == await management.migration(view.id or "")


async def test_a_second_migration_has_nothing_to_do(management: Management, source: str) -> None:
    """It has no id, because there is nothing to take back."""
    await ended(management, await management.start_migration(MigrationWish(source)))
    again = await management.start_migration(MigrationWish(source))
    assert (None, [], ["tiny:latest"]) == (again.id, list(again.plan.models), list(again.plan.unchanged))
    assert 1 == len(await management.migrations())


async def test_a_rollback_takes_it_back(management: Management, source: str) -> None:
    """Afterwards it could be done again."""
    view = await ended(management, await management.start_migration(MigrationWish(source)))
    undone = await management.rollback_migration(view.id or "")
    assert ("undone", ["undone"]) == (undone.state, [model.state for model in undone.plan.models])
    plan = await management.plan_migration(MigrationWish(source))
    assert ["tiny:latest"] == [model.model for model in plan.models]


async def test_what_is_forgotten_is_unknown(management: Management, source: str) -> None:
    """The way back is gone, the models are not."""
    view = await ended(management, await management.start_migration(MigrationWish(source)))
    await management.forget_migration(view.id or "")
    with pytest.raises(NotFoundError):
        await management.migration(view.id or "")


@pytest.mark.parametrize("unknown", ["", "nobody", "0" * 12, "../../x"])
async def test_unknown_migrations(management: Management, unknown: str) -> None:
    """Whatever is asked of one is NotFoundError."""
    for ask in (management.migration, management.rollback_migration, management.forget_migration):
        with pytest.raises(NotFoundError):
            await ask(unknown)


@pytest.mark.parametrize(
    ("source", "error"), [("/proc/1", ForbiddenError), ("/nowhere/x", NotFoundError), ("relative", SchemaError)]
)
async def test_what_is_no_store_is_refused(management: Management, source: str, error: type[Exception]) -> None:
    """Before anything is read."""
    with pytest.raises(error):
        await management.plan_migration(MigrationWish(source))
