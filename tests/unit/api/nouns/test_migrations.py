"""``/migrations`` and ``/stores``."""

import httpx2
import pytest

from roundhouse.testing.desks.migrations import a_migration_plan
from roundhouse.testing.management_service import InMemoryManagement


@pytest.fixture(autouse=True)
def store(management: InMemoryManagement) -> None:
    """An Ollama store."""
    management.foreign.append(a_migration_plan("tiny:latest"))


async def test_stores(admin: httpx2.AsyncClient) -> None:
    """Each with what adopting it would do."""
    (store,) = (await admin.get("/stores")).json()["stores"]
    assert ("ollama", 1 << 30) == (store["kind"], store["bytes_shared"])


async def test_dry_run(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """A dry run gives the plan with 200 and starts nothing."""
    answer = await admin.post("/migrations", json={"source": "ollama", "dry_run": True, "mode": "copy"})
    assert (answer.status_code, answer.json()["plan"]["mode"]) == (200, "copy")
    assert [] == management.migrated


async def test_migrate_and_take_back(admin: httpx2.AsyncClient) -> None:
    """It is accepted, found under its id, rolled back, forgotten."""
    started = await admin.post("/migrations", json={"source": "ollama"})
    path = f"/migrations/{started.json()['id']}"
    assert (202, started.json()) == (started.status_code, (await admin.get(path)).json())
    assert "undone" == (await admin.post(f"{path}/rollback")).json()["state"]
    assert 200 == (await admin.delete(path)).status_code
    assert {"migrations": []} == (await admin.get("/migrations")).json()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"source": ""},
        {"source": "ollama", "mode": "steal"},
        {"source": "ollama", "on_conflict": "shout"},
        {"source": "ollama", "kind": "x"},
        {"source": "ollama", "extra": 1},
        {"source": "a\x00b"},
        {"source": "x" * 5000},
        {"source": 3},
    ],
)
async def test_nonsense_is_refused(admin: httpx2.AsyncClient, body: dict[str, object]) -> None:
    """Before anybody reads a folder."""
    answer = await admin.post("/migrations", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "E_SCHEMA")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/stores"), ("GET", "/migrations"), ("POST", "/migrations"), ("POST", "/migrations/x/rollback")],
)
async def test_whoever_may_only_use_models_may_not_migrate(user: httpx2.AsyncClient, method: str, path: str) -> None:
    """A path in a request is read by the server."""
    assert 403 == (await user.request(method, path, json={"source": "/etc"})).status_code
