"""Permissions: who may do what."""

import httpx2
import pytest

from roundhouse.testing.management_service import InMemoryManagement

MANAGING = [
    ("DELETE", "/models/acme/tiny:Q4_K_M"),
    ("POST", "/models/acme/tiny:Q4_K_M/verify"),
    ("POST", "/transfers"),
    ("POST", "/backends/local/test"),
]
LOOKING = [
    "/status",
    "/doctor",
    "/models",
    "/models/acme/tiny:Q4_K_M",
    "/transfers",
    "/backends",
    "/usage",
    "/requests",
]


@pytest.mark.parametrize(("method", "path"), MANAGING)
async def test_managing_needs_the_admin(
    user: httpx2.AsyncClient, admin: httpx2.AsyncClient, method: str, path: str
) -> None:
    """A caller without a key may not change anything; the admin may. The hint says what to send."""
    body = {"ref": "hf:a/b"} if path == "/transfers" else None
    refused = await user.request(method, path, json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "E_PERM")
    assert "admin.key" in refused.json()["error"]["hint"]
    assert (await admin.request(method, path, json=body)).status_code in {200, 202}


@pytest.mark.parametrize("path", LOOKING)
async def test_looking_needs_no_key_here(user: httpx2.AsyncClient, path: str) -> None:
    """Whoever sits at this machine may look at everything."""
    assert (await user.get(path)).status_code == 200


async def test_permission_comes_before_the_body(user: httpx2.AsyncClient) -> None:
    """Somebody who may not pull is not told whether the body was right."""
    assert (await user.post("/transfers", content=b"{")).status_code == 403


async def test_a_refused_removal_removes_nothing(user: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """What was refused did not happen."""
    await user.delete("/models/acme/tiny:Q4_K_M")
    assert len(management.catalog) == 1
