"""``/transfers``."""

import httpx2
import pytest

from roundhouse.testing.management_service import InMemoryManagement, a_transfer

REF = "hf:acme/tiny:Q4_K_M"


async def test_pull(admin: httpx2.AsyncClient) -> None:
    """A pull is accepted, and is found under its id from then on."""
    started = await admin.post("/transfers", json={"ref": REF, "name": "mine"})
    assert (started.status_code, started.json()["state"], started.json()["model"]) == (202, "queued", "mine")
    assert (await admin.get(f"/transfers/{started.json()['id']}")).json() == started.json()


async def test_pull_twice(admin: httpx2.AsyncClient) -> None:
    """The same reference joins the transfer that is under way."""
    first, second = [(await admin.post("/transfers", json={"ref": REF})).json()["id"] for _ in range(2)]
    assert first == second


async def test_pull_dry(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """A dry run gives the plan with 200 and starts nothing."""
    answer = await admin.post("/transfers", json={"ref": REF, "dry_run": True})
    assert (answer.status_code, set(answer.json())) == (200, {"plan"})
    assert answer.json()["plan"]["files"][0]["present"] is False
    assert management.pulls == []


async def test_pull_of_nonsense(admin: httpx2.AsyncClient) -> None:
    """What is no reference is refused by whoever knows references."""
    answer = await admin.post("/transfers", json={"ref": "nonsense"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "E_SCHEMA")


async def test_list(user: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """Transfers show how far and how fast they are."""
    management.pulls.append(a_transfer())
    (transfer,) = (await user.get("/transfers")).json()["transfers"]
    assert (transfer["bytes_done"], transfer["bytes_total"], transfer["rate"]) == (40_000_000, 100_000_000, 25e6)
    assert set(transfer) == {
        "id", "ref", "model", "state", "bytes_total", "bytes_done", "rate", "eta_s", "error",
        "created_at", "updated_at", "bandwidth", "priority", "bytes_verified", "waiting",
    }  # fmt: skip


async def test_show_unknown(user: httpx2.AsyncClient) -> None:
    """An unknown id is 404."""
    assert (await user.get("/transfers/nobody")).status_code == 404


@pytest.mark.parametrize(("verb", "state"), [("pause", "paused"), ("resume", "downloading"), ("cancel", "cancelled")])
async def test_steer(admin: httpx2.AsyncClient, management: InMemoryManagement, verb: str, state: str) -> None:
    """The answer is the transfer as it is now, and asking twice is no error."""
    management.pulls.append(a_transfer())
    answers = [await admin.post(f"/transfers/t-1/{verb}") for _ in range(2)]
    assert [(200, state)] * 2 == [(answer.status_code, answer.json()["state"]) for answer in answers]


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
async def test_steer_too_late(admin: httpx2.AsyncClient, management: InMemoryManagement, verb: str) -> None:
    """What is over is a conflict, what is unknown is not found."""
    management.pulls.append(a_transfer(state="done"))
    answers = [await admin.post(f"/transfers/{id_}/{verb}") for id_ in ("t-1", "nobody")]
    assert ["E_CONFLICT", "E_NOTFOUND"] == [answer.json()["error"]["code"] for answer in answers]


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
async def test_steer_needs_permission(user: httpx2.AsyncClient, verb: str) -> None:
    """Only who may manage models."""
    assert (await user.post(f"/transfers/t-1/{verb}")).status_code == 403


async def test_limit_all(admin: httpx2.AsyncClient, user: httpx2.AsyncClient) -> None:
    """Whoever may read sees it, whoever may manage changes it, and null lifts it."""
    for limit in (1 << 20, None):
        changed = await admin.put("/bandwidth", json={"bandwidth": limit})
        assert {"limit": limit, "configured": None} == changed.json() == (await user.get("/bandwidth")).json()
    assert (await user.put("/bandwidth", json={"bandwidth": None})).status_code == 403


async def test_limit_one(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """The transfer says so from then on."""
    management.pulls.append(a_transfer())
    assert (await admin.put("/transfers/t-1/bandwidth", json={"bandwidth": 4096})).json()["bandwidth"] == 4096
    assert (await admin.put("/transfers/nobody/bandwidth", json={"bandwidth": 4096})).status_code == 404


@pytest.mark.parametrize("body", [{}, {"bandwidth": 0}, {"bandwidth": 1023}, {"bandwidth": "1MiB"}, {"bandwidth": 1.5}])
async def test_limit_nonsense(admin: httpx2.AsyncClient, body: dict[str, object]) -> None:
    """So slow that nothing would come, or no number at all."""
    assert (await admin.put("/bandwidth", json=body)).status_code == 422


async def test_prioritize(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """The transfer says so from then on; numbers have bounds."""
    management.pulls.append(a_transfer())
    assert (await admin.put("/transfers/t-1/priority", json={"priority": -3})).json()["priority"] == -3
    assert (await admin.put("/transfers/t-1/priority", json={"priority": 1001})).status_code == 422
