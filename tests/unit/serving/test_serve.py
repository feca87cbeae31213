import asyncio

import pytest
from structlog.testing import capture_logs
from tests.unit.serving.conftest import House

from roundhouse.core.errors import (
    BackendError,
    CapacityError,
    DeadlineError,
    LimitError,
    NetworkError,
    NotFoundError,
    RoundhouseError,
    SchemaError,
)
from roundhouse.core.inference import Operation, Price, TokenUsage
from roundhouse.health.standing import Standings
from roundhouse.routing.policy import Policy
from roundhouse.routing.snapshot import Snapshot
from roundhouse.serving.serve import Serving
from roundhouse.testing.backend import FakeBackend, a_deployment, a_request


async def test_the_best_deployment_answers(house: House) -> None:
    """One try, one answer, one record."""
    served, answer = await house.serving.answer(a_request())
    assert (served.deployment.id, served.attempts, b"one two three" in answer.data) == ("a/tiny", 1, True)
    assert (house.record.outcome, house.record.backend, house.record.model) == ("ok", "a", "tiny")


@pytest.mark.parametrize("error", [BackendError(), NetworkError(), LimitError(), CapacityError(), DeadlineError()])
async def test_the_next_one_answers_when_the_first_fails(house: House, error: RoundhouseError) -> None:
    """A failure that says nothing against the request is not the client's to see."""
    house.a.fail(error)
    served, _ = await house.serving.answer(a_request())
    assert (served.deployment.id, served.attempts, house.a.faults_fired) == ("b/tiny", 2, 1)
    assert [each.outcome for each in house.record.attempts] == [error.code, "ok"]


async def test_a_wrong_request_is_not_tried_elsewhere(house: House) -> None:
    """What one backend calls wrong is wrong."""
    house.a.fail(SchemaError("no such field"))
    with pytest.raises(SchemaError, match="no such field"):
        await house.serving.answer(a_request())
    assert (len(house.b.calls), house.record.outcome) == (0, "E_SCHEMA")


async def test_a_wrong_request_says_nothing_against_the_deployment(house: House) -> None:
    """Clients cannot open a breaker with nonsense."""
    house.a.fail(SchemaError(), times=20)
    for _ in range(20):
        with pytest.raises(SchemaError):
            await house.serving.answer(a_request())
    assert (house.a.faults_fired, house.standings["a/tiny"].is_free(0.0)) == (20, True)


async def test_the_last_error_is_raised_when_all_fail(house: House) -> None:
    """Each was tried once, and the record lists them."""
    house.a.fail(BackendError("first"))
    house.b.fail(NetworkError("second"))
    with pytest.raises(NetworkError, match="second"):
        await house.serving.answer(a_request())
    assert [(each.deployment, each.outcome) for each in house.record.attempts] == [
        ("a/tiny", "E_BACKEND"),
        ("b/tiny", "E_NET"),
    ]


async def test_no_more_attempts_than_the_policy_allows(house: House) -> None:
    """The fallback costs the client time, so it has an end."""
    house.policy = Policy(max_attempts=1)
    house.a.fail(BackendError())
    with pytest.raises(BackendError):
        await house.serving.answer(a_request())
    assert (house.a.faults_fired, len(house.b.calls)) == (1, 0)


async def test_a_deployment_that_keeps_failing_is_left_alone(house: House) -> None:
    """After five failures in a row requests go straight to the other one."""
    house.a.fail(BackendError(), times=99)
    for _ in range(8):
        await house.serving.answer(a_request())
    assert (house.a.faults_fired, house.records[-1].attempts[0].deployment) == (5, "b/tiny")


async def test_a_deployment_that_recovered_is_used_again(house: House) -> None:
    """When the time is over one request is the probe, and its success brings the deployment back."""
    house.a.fail(BackendError(), times=5)
    for _ in range(5):
        await house.serving.answer(a_request())
    house.clock.advance(10.0)
    served, _ = await house.serving.answer(a_request())
    assert (house.a.faults_fired, served.deployment.id, served.attempts) == (5, "a/tiny", 1)


async def test_the_only_deployment_is_tried_despite_its_breaker(house: House) -> None:
    """An open breaker of the last one would turn a hiccup into an outage."""
    house.deployments.pop()
    house.a.fail(BackendError(), times=5)
    for _ in range(5):
        with pytest.raises(BackendError):
            await house.serving.answer(a_request())
    served, _ = await house.serving.answer(a_request())
    assert (house.a.faults_fired, served.deployment.id) == (5, "a/tiny")


async def test_a_rate_limited_deployment_is_left_alone_for_as_long_as_it_says(house: House) -> None:
    """Retry-After is kept, and then it is the first again."""
    house.a.fail(LimitError(retry_after_s=9.0))
    answered = []
    for _ in range(3):
        served, _ = await house.serving.answer(a_request())
        answered.append(served.deployment.id)
        house.clock.advance(4.6)
    assert answered == ["b/tiny", "b/tiny", "a/tiny"]


async def test_the_deadline_ends_the_request(house: House) -> None:
    """However many could still be tried: the client said how long."""
    house.a.hold()
    with pytest.raises(DeadlineError, match=r"within 0\.01 s"):
        await house.serving.answer(a_request(timeout_s=0.01))
    assert (len(house.b.calls), house.record.outcome, house.in_flight) == (0, "E_TIMEOUT", 0)


async def test_impatience_says_nothing_against_the_deployment(house: House) -> None:
    """Clients cannot open a breaker with tiny deadlines."""
    house.a.hold()
    for _ in range(6):
        with pytest.raises(DeadlineError):
            await house.serving.answer(a_request(timeout_s=0.001))
    assert house.standings["a/tiny"].is_free(0.0)


async def test_a_client_that_leaves_is_recorded(house: House) -> None:
    """Cancelling stops the call, frees the slot, and is no failure of anybody."""
    house.a.hold()
    task = asyncio.create_task(house.serving.answer(a_request()))
    await house.a.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (house.record.outcome, house.record.attempts[0].outcome) == ("client_closed", "client_closed")
    assert (house.in_flight, house.standings["a/tiny"].error_rate(0.0)) == (0, 0.0)


async def test_an_adapter_with_a_bug_fails_like_a_backend_that_fails(house: House) -> None:
    """What is not ours is tried elsewhere, and counts against the deployment; the log says what it was and where."""
    house.a.fail(ZeroDivisionError("oops, with the key sk-1"))
    with capture_logs() as logs:
        served, _ = await house.serving.answer(a_request())
    assert (served.deployment.id, house.in_flight) == ("b/tiny", 0)
    assert ["E_BACKEND", "ok"] == [attempt.outcome for attempt in house.record.attempts]
    assert house.standings["a/tiny"].error_rate(0.0) > 0.0
    (told,) = logs
    assert ("a", "ZeroDivisionError") == (told["backend"], told["error"])
    assert told["at"].startswith("roundhouse.testing.backend:")
    assert "sk-1" not in str(told)


async def test_the_last_adapter_with_a_bug_is_told_as_a_backend(house: House) -> None:
    """Without its words."""
    house.a.fail(ValueError("oops"))
    house.b.fail(ValueError("oops"))
    with pytest.raises(BackendError, match=r"^b: what it answered could not be dealt with \(ValueError\)$"):
        await house.serving.answer(a_request())


async def test_a_backend_that_was_just_removed_is_passed_over(house: House) -> None:
    """The snapshot may be a moment older than the list of backends."""
    snapshot = Snapshot.build([a_deployment("gone/tiny"), a_deployment("z/tiny")])
    backends = {"z": FakeBackend("z")}
    serving = Serving(backends, lambda: snapshot, Standings(lambda: 0.5), house.records.append, house.clock)
    served, _ = await serving.answer(a_request())
    assert (served.deployment.id, served.attempts) == ("z/tiny", 2)


async def test_an_unknown_model_is_recorded_too(house: House) -> None:
    """Every request leaves one record, also when nobody was asked."""
    with pytest.raises(NotFoundError):
        await house.serving.answer(a_request("nobody"))
    assert (house.record.outcome, house.record.backend, house.record.attempts) == ("E_NOTFOUND", None, ())


async def test_the_cost_is_price_times_usage(house: House) -> None:
    """Five tokens in, three out."""
    house.deployments = [a_deployment("a/tiny", price=Price(2.0, 10.0))]
    served, _ = await house.serving.answer(a_request())
    assert (served.cost_usd, house.record.cost_usd, house.record.estimated) == (40.0, 40.0, False)


async def test_an_unknown_price_gives_an_unknown_cost(house: House) -> None:
    """Unknown is not free."""
    served, _ = await house.serving.answer(a_request())
    assert (served.cost_usd, house.record.cost_usd) == (None, None)


async def test_tokens_that_nobody_counted_are_estimated_and_marked(house: House) -> None:
    """A guess is better than zero, as long as it says that it is one."""
    house.a.usage = None
    await house.serving.answer(a_request())
    record = house.record
    assert (record.prompt_tokens, record.completion_tokens > 0, record.estimated) == (12, True, True)


@pytest.mark.parametrize("operation", [Operation.EMBEDDING, Operation.RERANK])
async def test_what_is_only_read_has_no_completion_tokens(house: House, operation: Operation) -> None:
    """Vectors are long, and nobody pays for them by length."""
    house.a.usage = None
    await house.serving.answer(a_request(operation=operation))
    assert house.record.completion_tokens == 0


async def test_overhead_leaves_out_the_wait_for_backends(house: House) -> None:
    """Ten seconds upstream are the backend's ten seconds, also those of a try that failed."""
    house.a.hold()
    house.a.fail(BackendError())
    task = asyncio.create_task(house.serving.answer(a_request()))
    await house.a.waiting.wait()
    house.clock.advance(10.0)
    house.a.let_go()
    served, _ = await task
    assert (served.overhead_ms, house.record.overhead_ms, house.record.latency_ms) == (0.0, 0.0, 10_000.0)


async def test_the_record_carries_what_was_asked(house: House) -> None:
    """The id is the request's, the time is the clock's."""
    await house.serving.answer(a_request())
    record = house.record
    assert (record.id, record.at, record.principal) == ("r-1", house.clock.now(), "local")
    assert (record.operation, record.requested, record.stream) == ("chat", "tiny", False)


async def test_the_route_is_remembered(house: House) -> None:
    """Whoever asks why gets the candidates of that very request."""
    serving = house.serving
    served, _ = await serving.answer(a_request())
    decision = serving.taken.get(served.route_id)
    assert decision
    assert [candidate.id for candidate in decision.route.candidates] == ["a/tiny", "b/tiny"]


async def test_explaining_tries_nothing(house: House) -> None:
    """The route is the one that would be taken; nobody is called and nothing is recorded."""
    route = house.serving.explain(a_request().profile)
    assert [candidate.id for candidate in route.candidates] == ["a/tiny", "b/tiny"]
    assert (house.a.calls, house.records, house.standings) == ([], [], {})


async def test_the_usage_of_cached_tokens_is_kept(house: House) -> None:
    """The backend's own count goes into the record as it is."""
    house.a.usage = TokenUsage(prompt=100, completion=7, cached=64)
    await house.serving.answer(a_request())
    record = house.record
    assert (record.prompt_tokens, record.completion_tokens, record.cached_tokens) == (100, 7, 64)
