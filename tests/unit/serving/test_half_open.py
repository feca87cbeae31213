"""A breaker whose time is over, and a hundred who ask at once: one of them finds out for all (G4)."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from tests.unit.serving.conftest import House

from roundhouse.core.errors import BackendError, LimitError, NetworkError, RoundhouseError
from roundhouse.health.breaker import FREE, State
from roundhouse.routing.snapshot import Snapshot
from roundhouse.serving.admission.gates import Gates
from roundhouse.serving.admission.rules import GateRules
from roundhouse.serving.attempts import Served
from roundhouse.serving.serve import Serving
from roundhouse.testing.backend import FakeBackend, a_deployment, a_request

CALLERS = 100


@pytest.fixture
async def tired(house: House) -> House:
    """The first backend has failed five times, and its ten seconds are over."""
    house.a.fail(BackendError(), times=5)
    for _ in range(5):
        await house.serving.answer(a_request())
    house.clock.advance(10.0)
    house.a.calls.clear()
    house.b.calls.clear()
    return house


def asking(serving: Serving, count: int = CALLERS, model: str = "tiny") -> list[asyncio.Task[Served]]:
    """So many callers at once."""

    async def ask(number: int) -> Served:
        return (await serving.answer(replace(a_request(model), id=f"r{number}")))[0]

    return [asyncio.create_task(ask(number)) for number in range(count)]


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what nobody tells."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)


def outcomes(ended: Sequence[Served | BaseException]) -> dict[str, int]:
    """How many were answered by whom, or failed with what."""
    names = [each.deployment.id if isinstance(each, Served) else type(each).__name__ for each in ended]
    return {name: names.count(name) for name in sorted(set(names))}


async def test_one_of_a_hundred_is_the_probe(tired: House) -> None:
    """The others are served elsewhere meanwhile, and its success brings the deployment back."""
    tired.a.hold()
    callers = asking(tired.serving)
    await until(lambda: len(tired.b.calls) == CALLERS - 1)
    assert (1, State.HALF_OPEN) == (
        len(tired.a.calls),
        tired.standings["a/tiny"].breaker.state(tired.clock.monotonic()),
    )
    tired.a.let_go()
    assert {"a/tiny": 1, "b/tiny": CALLERS - 1} == outcomes(await asyncio.gather(*callers))
    assert tired.standings["a/tiny"].is_free(tired.clock.monotonic())


async def test_a_probe_that_fails_is_the_only_one_that_met_the_failure(tired: House) -> None:
    """It is served elsewhere as well, and nobody asks again for twice as long."""
    tired.a.fail(BackendError())
    assert {"b/tiny": CALLERS} == outcomes(await asyncio.gather(*asking(tired.serving)))
    assert (1, 20.0) == (len(tired.a.calls), tired.standings["a/tiny"].open_s(tired.clock.monotonic()))


async def test_a_probe_that_leaves_makes_room_for_the_next(tired: House) -> None:
    """Again for one."""
    tired.a.hold()
    first = asking(tired.serving)
    await until(lambda: len(tired.b.calls) == CALLERS - 1)
    for caller in first:
        caller.cancel()
    await asyncio.gather(*first, return_exceptions=True)
    second = asking(tired.serving)
    await until(lambda: len(tired.b.calls) == 2 * (CALLERS - 1))
    assert 2 == len(tired.a.calls)
    tired.a.let_go()
    await asyncio.gather(*second)


async def test_a_backend_has_one_probe_for_all_its_models(house: House) -> None:
    """A machine that was away is asked once, whatever the hundred want of it."""
    house.a = FakeBackend("a", ("tiny", "small"))
    deployments = [a_deployment(f"{name}/{model}") for name in "ab" for model in ("tiny", "small")]
    snapshot = Snapshot.build(deployments, {model: [f"{name}/{model}" for name in "ab"] for model in ("tiny", "small")})
    backends = {"a": house.a, "b": house.b}
    serving = Serving(backends, lambda: snapshot, house.standings, house.records.append, house.clock)
    for _ in range(5):
        house.standings.breaker_of("a").failed(FREE, 0.0)
    house.clock.advance(10.0)
    house.a.hold()
    callers = asking(serving, CALLERS // 2) + asking(serving, CALLERS // 2, "small")
    await until(lambda: len(house.b.calls) == CALLERS - 1)
    assert 1 == len(house.a.calls)
    house.a.let_go()
    await asyncio.gather(*callers)


@pytest.mark.parametrize("error", [BackendError, NetworkError])
async def test_the_last_one_is_never_shut_out(house: House, error: type[RoundhouseError]) -> None:
    """An open breaker of the only deployment would turn a hiccup into an outage: it is tried all the same."""
    house.deployments.pop()
    house.a.fail(error(), times=5)
    for _ in range(5):
        with pytest.raises(error):
            await house.serving.answer(a_request())
    assert {"a/tiny": CALLERS} == outcomes(await asyncio.gather(*asking(house.serving)))


async def test_too_many_requests_never_open_it(house: House) -> None:
    """A hundred rate limits are a hundred cooldowns."""
    house.a.fail(LimitError(retry_after_s=1.0), times=CALLERS)
    await asyncio.gather(*asking(house.serving))
    house.clock.advance(1.0)
    assert (0.0, True) == (house.standings["a/tiny"].open_s(1.0), house.standings["a/tiny"].is_free(1.0))
    assert house.a.faults_fired


async def test_of_those_who_waited_since_before_one_is_the_probe(house: House) -> None:
    """They came while all was well, and get their slots when the breaker has opened and its time is over."""
    gates = Gates(house.clock.monotonic, {"a": GateRules(max_concurrent=4, most_waiting=CALLERS)})
    snapshot = Snapshot.build(house.deployments, {"tiny": ["a/tiny", "b/tiny"]})
    backends = {"a": house.a, "b": house.b}
    serving = Serving(backends, lambda: snapshot, house.standings, house.records.append, house.clock, gates=gates)
    slots = [gates.of("a").take(house.deployments[0]) for _ in range(4)]
    callers = asking(serving)
    await until(lambda: gates.of("a").queued == CALLERS)
    for _ in range(5):
        house.standings["a/tiny"].breaker.failed(FREE, 0.0)
    house.clock.advance(10.0)
    house.a.hold()
    for slot in slots:
        assert slot
        slot.leave()
    await until(lambda: len(house.b.calls) + len(house.a.calls) >= CALLERS)
    assert 1 == len(house.a.calls)
    house.a.let_go()
    assert {"a/tiny": 1, "b/tiny": CALLERS - 1} == outcomes(await asyncio.gather(*callers))
    assert (0, 0) == (gates.of("a").in_flight, house.in_flight)
