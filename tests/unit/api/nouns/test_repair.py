"""``/models/…/repair``."""

import httpx2

from roundhouse.testing.management_service import InMemoryManagement

NAME = "acme/tiny:Q4_K_M"


async def test_repair(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """What was damaged and what moved."""
    management.rotten.add(NAME)
    told = (await admin.post(f"/models/{NAME}/repair")).json()
    assert (True, 16 << 20, 16 << 20) == (told["ok"], told["bytes_damaged"], told["bytes_fetched"])
    assert ("repaired", [{"offset": 16 << 20, "length": 16 << 20}]) == (
        told["files"][0]["outcome"],
        told["files"][0]["damaged"],
    )


async def test_a_dry_run_repairs_nothing(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """It says so."""
    management.rotten.add(NAME)
    told = (await admin.post(f"/models/{NAME}/repair?dry_run=true")).json()
    assert (False, True, {NAME}) == (told["ok"], told["dry_run"], management.rotten)


async def test_what_cannot_be_repaired_is_an_answer(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """With an error for the file."""
    management.rotten, management.lost = {NAME}, {NAME}
    answer = await admin.post(f"/models/{NAME}/repair")
    file = answer.json()["files"][0]
    assert (200, False, "quarantined", "E_NOTFOUND") == (
        answer.status_code,
        answer.json()["ok"],
        file["outcome"],
        file["error"]["code"],
    )


async def test_who_may_only_look_may_not_repair(user: httpx2.AsyncClient) -> None:
    """It writes to the disk and to the network."""
    assert (await user.post(f"/models/{NAME}/repair")).status_code == 403
