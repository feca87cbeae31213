from dataclasses import replace

import httpx2
import pytest

from roundhouse.testing.management_service import InMemoryManagement, a_model

NAME = "acme/tiny:Q4_K_M"


async def test_pin_and_unpin(admin: httpx2.AsyncClient) -> None:
    """The answer is what is said about the model now."""
    pinned = await admin.post(f"/models/{NAME}/pin")
    unpinned = await admin.post(f"/models/{NAME}/unpin")
    assert [(200, True), (200, False)] == [(each.status_code, each.json()["pinned"]) for each in (pinned, unpinned)]


async def test_tags(admin: httpx2.AsyncClient) -> None:
    """Put on, taken off, listed by."""
    tagged = await admin.post(f"/models/{NAME}/tag", json={"add": ["fast", "new"], "remove": ["old"]})
    assert ["fast", "new"] == tagged.json()["tags"]
    found = [(await admin.get("/models", params={"tag": tag})).json()["models"] for tag in (["fast", "new"], ["slow"])]
    assert [1, 0] == [len(each) for each in found]


@pytest.mark.parametrize(
    "body", [{"add": ["no good"]}, {"add": "fast"}, {"add": ["t"] * 33}, {"put": ["fast"]}, {"add": [1]}, None]
)
async def test_tags_that_are_none(admin: httpx2.AsyncClient, body: object) -> None:
    """Are a mistake of whoever asks."""
    answer = await admin.post(f"/models/{NAME}/tag", json=body)
    assert (422, "E_SCHEMA") == (answer.status_code, answer.json()["error"]["code"])


async def test_cleaning_up(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """A dry run removes nothing, and a run does what it told."""
    management.catalog.append(replace(a_model("b"), pinned=True))
    dry = (await admin.post("/models/gc", json={"dry_run": True, "unused_for_s": 0})).json()
    assert len(management.catalog) == 2
    wet = (await admin.post("/models/gc", json={"unused_for_s": 0})).json()
    assert [(NAME, True), ("b", False)] == [(each["model"], each["removed"]) for each in wet["models"]]
    assert dry | {"dry_run": False} == wet
    assert ["b"] == [model.name for model in management.catalog]


@pytest.mark.parametrize("body", [{"quota": -1}, {"quota": "1GB"}, {"unused_for_s": 1e300}, {"all": True}])
async def test_wishes_that_are_none(admin: httpx2.AsyncClient, body: object) -> None:
    """Are a mistake of whoever asks."""
    assert (await admin.post("/models/gc", json=body)).status_code == 422


async def test_who_may_not(user: httpx2.AsyncClient) -> None:
    """Whoever may only read can change nothing."""
    for path in ("gc", f"{NAME}/pin", f"{NAME}/unpin", f"{NAME}/tag"):
        assert (await user.post(f"/models/{path}", json={})).status_code == 403
