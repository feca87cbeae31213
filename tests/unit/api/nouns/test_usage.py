"""``/usage`` and ``/requests``."""

import httpx2
import pytest

from roundhouse.testing.management_service import InMemoryManagement, a_request


@pytest.mark.parametrize(("by", "key"), [("model", "acme/tiny:Q4_K_M"), ("backend", "local"), ("day", "2026-05-04")])
async def test_usage(user: httpx2.AsyncClient, management: InMemoryManagement, by: str, key: str) -> None:
    """Usage adds up by each dimension."""
    management.records += [a_request("r-1"), a_request("r-2", outcome="E_BACKEND")]
    answer = (await user.get("/usage", params={"by": by})).json()
    assert answer == {
        "by": by,
        "rows": [
            {"key": key, "requests": 2, "errors": 1, "prompt_tokens": 824, "completion_tokens": 192, "cost_usd": 0.0}
        ],
    }


async def test_usage_since(user: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """What happened before *since* does not count."""
    management.records.append(a_request())
    assert (await user.get("/usage", params={"since": "2026-05-05T00:00:00Z"})).json()["rows"] == []


@pytest.mark.parametrize("query", ["by=colour", "since=soon", "by="])
async def test_usage_of_nonsense(user: httpx2.AsyncClient, query: str) -> None:
    """An unknown dimension is refused."""
    assert (await user.get(f"/usage?{query}")).status_code == 422


async def test_requests(user: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """A record shows its attempts."""
    management.records.append(a_request())
    (record,) = (await user.get("/requests")).json()["requests"]
    (attempt,) = record["attempts"]
    assert {"deployment": "local/acme/tiny:Q4_K_M", "outcome": "ok", "duration_ms": 1840.0}.items() <= attempt.items()


@pytest.mark.parametrize(("limit", "status"), [("1", 200), ("1000", 200), ("0", 422), ("1001", 422), ("9" * 30, 422)])
async def test_requests_are_limited(user: httpx2.AsyncClient, limit: str, status: int) -> None:
    """Nobody asks for the whole ledger at once."""
    assert (await user.get(f"/requests?limit={limit}")).status_code == status
