"""``/licenses``."""

import httpx2

from roundhouse.testing.desks.licenses import a_license
from roundhouse.testing.management_service import InMemoryManagement

MODEL = "acme/tiny:Q4_K_M"


async def test_listing_and_showing(user: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """Whoever may see models sees what they may be used under; the text comes with one."""
    management.terms.append(a_license("gemma", ref="hf:acme/other"))
    listed = (await user.get("/licenses")).json()["licenses"]
    assert ["apache-2.0", "gemma"] == [each["license"] for each in listed]
    assert "text" not in listed[1]
    assert "Be kind." == (await user.get("/licenses/gemma")).json()["text"]
    assert [MODEL] == (await user.get(f"/licenses/{MODEL}")).json()["models"]


async def test_agreeing_is_done_by_whoever_sends_it(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """In their own name; and taken back the same way."""
    management.terms.append(a_license())
    accepted = (await admin.post("/licenses/gemma/accept")).json()
    assert ("accepted", ["admin"]) == (accepted["state"], [each["principal"] for each in accepted["accepted"]])
    assert "needed" == (await admin.post("/licenses/gemma/revoke")).json()["state"]


async def test_agreeing_needs_a_permission(user: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """Who only asks models cannot bind this machine."""
    management.terms.append(a_license())
    for verb in ("accept", "revoke"):
        assert 403 == (await user.post(f"/licenses/gemma/{verb}")).status_code


async def test_a_model_with_slashes_is_a_key(admin: httpx2.AsyncClient) -> None:
    """Also before the verb."""
    assert 200 == (await admin.post(f"/licenses/{MODEL}/accept")).status_code


async def test_an_unknown_one_is_404(admin: httpx2.AsyncClient) -> None:
    """With a hint."""
    answer = await admin.get("/licenses/nobody")
    assert (404, "E_NOTFOUND") == (answer.status_code, answer.json()["error"]["code"])


async def test_a_pull_is_refused_until_somebody_agrees(
    admin: httpx2.AsyncClient, management: InMemoryManagement
) -> None:
    """E_LICENSE says to what; then it begins."""
    management.terms.append(a_license(ref="hf:acme/wanted"))
    refused = await admin.post("/transfers", json={"ref": "hf:acme/wanted"})
    error = refused.json()["error"]
    assert (403, "E_LICENSE", "gemma") == (refused.status_code, error["code"], error["details"]["license"])
    await admin.post(f"/licenses/{error['details']['digest']}/accept")
    assert 202 == (await admin.post("/transfers", json={"ref": "hf:acme/wanted"})).status_code
