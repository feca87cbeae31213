import asyncio
from collections.abc import Mapping
from dataclasses import replace

from roundhouse.app.figuring.readings import Readings
from roundhouse.app.probing.presence import Presence
from roundhouse.core.events import Events
from roundhouse.core.figures.baselines import Pace
from roundhouse.core.inference import Deployment
from roundhouse.core.runtimes import Traits
from roundhouse.health.pacing import Pacing
from roundhouse.health.standing import Standings
from roundhouse.serving.admission.gates import Gates
from roundhouse.serving.admission.rules import GateRules
from roundhouse.testing.backend import a_deployment, a_request
from roundhouse.testing.clock import FakeClock

LOADED = replace(a_deployment("a/tiny"), traits=Traits(load_s=3.5))


class Served:
    """Two names for one machine, and one deployment too many for a series of its own."""

    presence = Presence()
    backends: Mapping[str, object] = {"a": None, "b": None}

    def deployments(self) -> tuple[Deployment, ...]:
        """What both serve."""
        return (LOADED, a_deployment("b/tiny"))


def rows(readings: Readings) -> dict[tuple[str, str], float]:
    """Each value by name and by whom it is about."""
    found = readings({"a/tiny"})
    return {
        (each.name.removeprefix("roundhouse_"), labels.get("deployment", labels["backend"])): value
        for each in found
        for labels, value in each.rows
    }


async def test_slots_breakers_and_load_times_are_read_as_they_are() -> None:
    """A shared gate once; an open breaker is 2; nothing of a deployment that was not named."""
    standings, served = Standings(lambda: 0.5), Served()
    served.presence.note("b", "lists", "refused")
    pacing = Pacing(standings.get, Events(), FakeClock())
    pacing.measured("a/tiny", 12, Pace(30.0, 100.0))
    gates = Gates(lambda: 0.0, {"a": GateRules(max_concurrent=1)}, {"a": "here", "b": "here"})
    assert gates.of("a").take(LOADED)
    waiting = asyncio.create_task(gates.of("a").wait(a_request(), LOADED))
    await asyncio.sleep(0)
    for permit in [standings.of(name, name[0]).admit(0.0) for name in ("a/tiny", "b/tiny") for _ in range(5)]:
        assert permit
        permit.failed(0.0, unreachable=True)
    assert {
        ("backend_slots_busy", "a"): 1.0,
        ("backend_slots_waiting", "a"): 1.0,
        ("backend_slots_limit", "a"): 1.0,
        ("backend_breaker", "a"): 2.0,
        ("backend_breaker", "b"): 2.0,
        ("deployment_breaker", "a/tiny"): 2.0,
        ("deployment_calls_in_flight", "a/tiny"): 0.0,
        ("deployment_load_seconds", "a/tiny"): 3.5,
        ("backend_up", "a"): 1.0,
        ("backend_up", "b"): 0.0,
        ("deployment_pace", "a/tiny"): 1.0,
        ("deployment_degraded", "a/tiny"): 0.0,
    } == rows(Readings(served, standings, gates, pacing, lambda: 1.0))
    waiting.cancel()
