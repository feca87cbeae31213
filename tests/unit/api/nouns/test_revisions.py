import httpx2

from roundhouse.testing.management_service import InMemoryManagement

NAME = "acme/tiny:Q4_K_M"


async def test_updates_are_looked_for(user: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """Whoever may see models may look; the name may hold a slash."""
    management.upstream[NAME] = "beef"
    answer = (await user.get(f"/models/{NAME}/updates")).json()
    assert ("newer", "0f3c2a9d", "beef") == (answer["state"], answer["revision"], answer["available"])


async def test_only_those_who_manage_update_and_roll_back(user: httpx2.AsyncClient) -> None:
    """Everybody else is told so."""
    for verb in ("update", "rollback"):
        assert 403 == (await user.post(f"/models/{NAME}/{verb}")).status_code


async def test_update_and_rollback(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """Forward with a transfer, and back to what was named."""
    management.upstream[NAME] = "beef"
    begun = (await admin.post(f"/models/{NAME}/update")).json()
    assert ("newer", NAME) == (begun["check"]["state"], begun["transfer"]["model"])
    back = (await admin.post(f"/models/{NAME}/rollback", params={"to": "0f3c"})).json()
    assert {"model": NAME, "revision": "0f3c2a9d", "key": "0f3c2a9d", "before": "beef", "dry_run": False} == back


async def test_a_rollback_without_an_older_revision_is_404(admin: httpx2.AsyncClient) -> None:
    """And says why."""
    answer = await admin.post(f"/models/{NAME}/rollback")
    assert (404, "E_NOTFOUND") == (answer.status_code, answer.json()["error"]["code"])


async def test_offline_is_said(user: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """As everywhere."""
    management.upstream[NAME] = "unreachable"
    assert "E_OFFLINE" == (await user.get(f"/models/{NAME}/updates")).json()["error"]["code"]
