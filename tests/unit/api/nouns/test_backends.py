"""``/backends``."""

import httpx2
import pytest

from roundhouse.testing.management_service import InMemoryManagement, a_backend


async def test_list(user: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """Backends are listed with their health; one that is down is no error."""
    management.runtimes.append(a_backend("cloud", ok=False))
    backends = (await user.get("/backends")).json()["backends"]
    assert [(backend["name"], backend["ok"]) for backend in backends] == [("local", True), ("cloud", False)]


@pytest.mark.parametrize(("body", "reply"), [(None, None), ({}, None), ({"prompt": True}, "hi")])
async def test_try(admin: httpx2.AsyncClient, body: dict[str, bool] | None, reply: str | None) -> None:
    """A trial costs nothing unless a prompt is asked for."""
    answer = (await admin.post("/backends/local/test", json=body)).json()
    assert (answer["ok"], answer["deployments"], answer["reply"]) == (True, ["local/acme/tiny:Q4_K_M"], reply)


async def test_try_one_that_is_down(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """That a backend fails is the answer to the question."""
    management.runtimes.append(a_backend("cloud", ok=False))
    answer = await admin.post("/backends/cloud/test")
    assert (answer.status_code, answer.json()["ok"], answer.json()["detail"]) == (200, False, "connection refused")


async def test_try_unknown(admin: httpx2.AsyncClient) -> None:
    """An unknown backend is 404."""
    assert (await admin.post("/backends/nobody/test")).status_code == 404
