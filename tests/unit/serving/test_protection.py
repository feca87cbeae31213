"""What stands between a request and its backend: the gate, the budget of second tries, time limits of a backend."""

import asyncio
from dataclasses import replace

import pytest
from tests.unit.serving.conftest import House

from roundhouse.core.errors import BackendError, CapacityError, DeadlineError
from roundhouse.core.inference import Answer, Deployment, InferenceRequest, Residency
from roundhouse.core.runtimes import Feature, Traits
from roundhouse.routing.snapshot import Snapshot
from roundhouse.serving.admission.gates import Gates
from roundhouse.serving.admission.rules import GateRules
from roundhouse.serving.serve import Serving
from roundhouse.testing.backend import FakeBackend, a_deployment, a_request


def guarded(house: House, *, only_a: bool = True, **rules: object) -> tuple[Serving, Gates]:
    """A serving room whose backend a has these rules."""
    gates = Gates(house.clock.monotonic, {"a": GateRules(**rules)})  # type: ignore[arg-type]
    deployments = house.deployments[:1] if only_a else house.deployments
    snapshot = Snapshot.build(deployments, {"tiny": [each.id for each in deployments]})
    backends = {"a": house.a, "b": house.b}
    serving = Serving(backends, lambda: snapshot, house.standings, house.records.append, house.clock, gates=gates)
    return serving, gates


async def queued(gates: Gates, count: int) -> None:
    """Wait until so many wait."""
    async with asyncio.timeout(5):
        while gates.of("a").queued != count:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)


async def test_a_backend_gets_no_more_calls_than_it_takes(house: House) -> None:
    """The others wait here, are told so, and are served when it has time."""
    serving, gates = guarded(house, max_concurrent=2)
    house.a.hold()
    tasks = [asyncio.create_task(serving.answer(replace(a_request(), id=f"r{number}"))) for number in range(5)]
    await queued(gates, 3)
    told = serving.waiting("r3")
    calls = len(house.a.calls)
    house.a.let_go()
    served = [(await task)[0] for task in tasks]
    assert told is not None
    assert (told.reason, told.position, calls, len(served), serving.waiting("r3")) == ("queued", 2, 2, 5, None)
    assert (house.in_flight, gates.of("a").in_flight) == (0, 0)


class OneByOne(FakeBackend):
    """A runtime that tells no slots, takes everything and answers one after the other as they came."""

    def __init__(self) -> None:
        super().__init__("a")
        self.answered: list[str] = []
        self._turn = asyncio.Lock()

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """In turn."""
        async with self._turn:
            answer = await super().answer(request, deployment)
            self.answered.append(request.id)
            return answer


@pytest.mark.parametrize(("max_concurrent", "place"), [(None, 4), (0, 40)])
async def test_a_high_priority_overtakes_where_no_slots_are_told(
    house: House, max_concurrent: int | None, place: int
) -> None:
    """It goes before all but those few that are there already, unless somebody wants everything to be there."""
    a = house.a = OneByOne()
    house.deployments[0] = replace(house.deployments[0], traits=Traits(slots_usual=4))
    serving, gates = guarded(house, max_concurrent=max_concurrent)
    a.hold()
    low = [replace(a_request(), id=f"low{number}", priority=20) for number in range(40)]
    tasks = [asyncio.create_task(serving.answer(each)) for each in low]
    await queued(gates, 36 if max_concurrent is None else 0)
    tasks.append(asyncio.create_task(serving.answer(replace(a_request(), id="high", priority=80))))
    await a.waiting.wait()
    a.let_go()
    await asyncio.gather(*tasks)
    assert (41, place) == (len(a.answered), a.answered.index("high"))


async def test_five_hundred_clients_who_leave_leave_nothing(house: House) -> None:
    """Waiting or being served: no slot, no call and no waiter is left, and each has its record."""
    serving, gates = guarded(house, max_concurrent=4, most_waiting=500)
    house.a.hold()
    tasks = [asyncio.create_task(serving.answer(replace(a_request(), id=f"r{number}"))) for number in range(500)]
    await queued(gates, 496)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (0, 0, 0) == (gates.of("a").queued, gates.of("a").in_flight, house.in_flight)
    assert ["client_closed"] * 500 == [record.outcome for record in house.records]


async def test_a_deadline_holds_in_the_queue(house: House) -> None:
    """Whoever waits too long goes without a call, and nobody is blamed."""
    serving, gates = guarded(house, max_concurrent=1)
    slot = gates.of("a").take(house.deployments[0])
    with pytest.raises(DeadlineError):
        await serving.answer(a_request(timeout_s=0.01))
    assert slot
    assert (house.a.calls, gates.of("a").queued, house.standings["a/tiny"].is_free(0.0)) == ([], 0, True)


async def test_a_full_queue_is_tried_elsewhere(house: House) -> None:
    """It costs nothing from the budget, for nothing was sent."""
    serving, gates = guarded(house, only_a=False, max_concurrent=1, most_waiting=0)
    gates.of("a").take(house.deployments[0])
    served, _ = await serving.answer(a_request())
    assert (served.deployment.id, served.attempts) == ("b/tiny", 1)


async def test_a_full_queue_is_told_when_there_is_nobody_else(house: House) -> None:
    """With what helps to come again, and without blaming the backend."""
    serving, gates = guarded(house, max_concurrent=1, most_waiting=0)
    gates.of("a").take(house.deployments[0])
    with pytest.raises(CapacityError) as caught:
        await serving.answer(a_request())
    assert (1, 5.0) == (caught.value.details["position"], caught.value.retry_after_s)
    assert house.standings["a/tiny"].is_free(0.0)


async def test_those_who_waited_do_not_run_into_an_open_breaker(house: House) -> None:
    """What failed while they waited is not tried again by each of them."""
    serving, gates = guarded(house, only_a=False, max_concurrent=1)
    slot = gates.of("a").take(house.deployments[0])
    waits = asyncio.create_task(serving.answer(a_request()))
    await queued(gates, 1)
    for _ in range(5):
        house.standings["a/tiny"].breaker.failed(0, 0.0)
    assert slot
    slot.leave()
    served, _ = await waits
    assert (served.deployment.id, house.a.calls, house.in_flight) == ("b/tiny", [], 0)


async def test_there_are_second_tries_for_a_tenth_of_the_requests(house: House) -> None:
    """Beyond that the first error is the answer, with what was tried and what was not."""
    house.a.fail(BackendError("away", details={"status": 404}), times=1_000)
    for _ in range(200):
        try:
            await house.serving.answer(a_request())
        except BackendError as error:
            refused = error
    assert 32 <= len(house.b.calls) - (200 - house.a.faults_fired) <= 32 + house.a.faults_fired // 10
    assert (refused.message, refused.details["retry_budget"]) == ("away", "spent")
    assert refused.details["not_tried"] in (["b/tiny"], ["a/tiny"])


async def test_a_backend_may_have_a_limit_for_its_first_piece(house: House) -> None:
    """A stream that does not begin is tried elsewhere, and counts as a failure."""
    serving, _ = guarded(house, only_a=False, first_token_s=0.01)
    house.a.hold()
    served, flow = await serving.stream(a_request(stream=True))
    await flow.aclose()
    assert (served.deployment.id, house.record.attempts[0].outcome) == ("b/tiny", "E_BACKEND")
    assert house.standings["a/tiny"].error_rate(0.0) > 0.0


async def test_loading_is_told(house: House) -> None:
    """How far it is, when it is known how long it takes."""
    cold = replace(a_deployment("a/tiny", residency=Residency.COLD), traits=Traits(load_s=10.0))
    house.deployments[0] = cold
    serving, _ = guarded(house)
    house.a.hold()
    task = asyncio.create_task(serving.answer(a_request()))
    await house.a.waiting.wait()
    house.clock.advance(4.0)
    told = serving.waiting("r-1")
    house.a.let_go()
    await task
    assert told is not None
    assert (told.reason, told.progress, told.eta_s) == ("loading", 0.4, 6.0)


@pytest.mark.parametrize(("residency", "heard"), [(Residency.COLD, ["a"]), (Residency.LOADED, [])])
async def test_who_has_loaded_is_told_of(house: House, residency: Residency, heard: list[str]) -> None:
    """When the first piece is there, not when the stream is over; of a failure nothing is told."""
    house.deployments[0] = a_deployment("a/tiny", residency=residency)
    serving, _ = guarded(house)
    told = list[str]()
    serving.warmed = told.append
    house.a.fail(BackendError())
    with pytest.raises(BackendError):
        await serving.stream(a_request(stream=True))
    assert [] == told
    _, flow = await serving.stream(a_request(stream=True))
    assert heard == told
    await flow.aclose()
    assert (residency is Residency.COLD) == house.records[-1].attempts[0].cold


class Reloader(FakeBackend):
    """A backend whose model is in memory, and not as requests need it."""

    features = frozenset({Feature.RELOAD})

    def reloads(self, _request: InferenceRequest, _deployment: Deployment) -> bool:
        """Always."""
        return True


async def test_loading_anew_is_loading(house: House) -> None:
    """It is told, it counts as cold, and it is no silence."""
    house.a = Reloader("a")
    house.deployments[0] = a_deployment("a/tiny", residency=Residency.LOADED)
    serving, _ = guarded(house, first_token_s=0.001)
    house.a.hold()
    task = asyncio.create_task(serving.stream(a_request(stream=True)))
    await house.a.waiting.wait()
    told = serving.waiting("r-1")
    house.a.let_go()
    _, flow = await task
    await flow.aclose()
    assert told is not None
    assert ("loading", True) == (told.reason, house.record.attempts[0].cold)
