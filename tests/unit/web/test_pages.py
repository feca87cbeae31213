"""What stands on the first page."""

from dataclasses import replace

from roundhouse.core.views import Found
from roundhouse.testing.management_service import InMemoryManagement, a_backend, a_model, a_request, a_route
from roundhouse.web.pages import overview


async def test_what_was_found_is_told_once(management: InMemoryManagement) -> None:
    """A runtime that became a backend is not told again."""
    management.runtimes.append(replace(a_backend("box"), url="http://localhost:11434/v1"))
    management.discovered += [
        Found("ollama", "ollama", "http://127.0.0.1:11434", ""),
        Found("vllm", "vllm", "http://127.0.0.1:8000", ""),
    ]
    page = await overview(management, may_see_requests=True)
    assert [stranger.name for stranger in page.strangers] == ["vllm"]


async def test_a_runtime_whose_name_is_taken_gets_another(management: InMemoryManagement) -> None:
    """The backend of that name is elsewhere."""
    management.runtimes += [a_backend("ollama"), a_backend("ollama-2")]
    management.discovered.append(Found("ollama", "ollama", "http://127.0.0.1:11434", ""))
    (stranger,) = (await overview(management, may_see_requests=True)).strangers
    assert stranger.command == "roundhouse backends add ollama-3 --kind ollama --url http://127.0.0.1:11434"


async def test_requests_are_for_those_who_may_see_them(management: InMemoryManagement) -> None:
    """Without the permission the requests are not even asked for."""
    management.records.append(a_request())
    page = await overview(management, may_see_requests=False)
    assert (page.requests, page.shows_requests) == ([], False)


async def test_the_bridge_points_at_the_one_that_served_last(management: InMemoryManagement) -> None:
    """The newest request that anybody answered turns the table."""
    management.catalog += [a_model("a:F16"), a_model("b:F16")]
    management.records += [a_request("r-1", model="b:F16"), a_request("r-2", model=None, outcome="E_NOROUTE")]
    page = await overview(management, may_see_requests=True)
    stall, (end, _) = page.plan.stalls[1], page.plan.bridge
    assert abs((stall.rim.x - 170) * (end.y - 162) - (stall.rim.y - 162) * (end.x - 170)) < 10


async def test_bars_are_as_wide_as_the_best_score(management: InMemoryManagement) -> None:
    """Scores of any scale fill the same width, also when nobody was scored."""
    management.records += [a_request("r-1"), a_request("r-2")]
    management.remembered["r-1"] = a_route()
    page = await overview(management, may_see_requests=True)
    assert sorted(served.best for served in page.requests) == [1e-9, 93.0]
