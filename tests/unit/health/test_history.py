from dataclasses import replace
from datetime import UTC, datetime

import pytest

from roundhouse.core.ledger import AttemptRecord, UsageRecord
from roundhouse.health.history import History, Last

AT = datetime(2030, 1, 1, 12, 30, tzinfo=UTC)
HOUR = int(AT.timestamp()) // 3600
RECORD = UsageRecord(
    "r-1", AT, "me", "chat", "tiny", "tiny", "a", 10, 20, 0, 0.0, 1000.0, 200.0, 1.0,
    stream=True, outcome="ok", attempts=(AttemptRecord("a/tiny", "ok", 1000.0, 200.0),),
)  # fmt: skip


def test_an_answer_counts_with_its_times() -> None:
    """Tokens per second are those after the first one."""
    history = History()
    history.observe(RECORD)
    calls, (hour,) = history.calls("a/tiny"), history.take(HOUR)
    assert [1000.0] == calls.latency_ms.percentiles(0.5)
    assert [0.0] == calls.queue_ms.percentiles(0.5)
    assert [25.0] == calls.tokens_per_s.percentiles(0.5)
    assert (HOUR, 1, 20, {}) == (hour.hour, hour.tally.requests, hour.tally.completion_tokens, hour.tally.errors)


def test_each_call_has_its_own_wait() -> None:
    """A try that waited at another deployment before is none of this one's."""
    history = History()
    tries = (AttemptRecord("b/tiny", "E_NET", 5.0, None, 900.0), AttemptRecord("a/tiny", "ok", 50.0, None, 30.0))
    history.observe(replace(RECORD, attempts=tries, queued_ms=930.0))
    hour = next(each for each in history.take(HOUR) if each.backend == "a")
    assert [30.0] == history.calls("a/tiny").queue_ms.percentiles(0.5)
    assert hour.tally.queue.percentile(0.5) == pytest.approx(30.0, rel=0.1)


def test_loads_are_kept() -> None:
    """In memory and by the hour."""
    history = History()
    history.loaded(HOUR, "a/tiny", 3.0)
    (hour,) = history.take(HOUR)
    assert [3000.0] == history.calls("a/tiny").load_ms.percentiles(0.5)
    assert ("a", "tiny", 0) == (hour.backend, hour.model, hour.tally.requests)
    assert hour.tally.load.percentile(0.5) == pytest.approx(3000.0, rel=0.1)


def test_failures_count_where_they_happened() -> None:
    """By kind, and never as times."""
    history = History()
    tries = (AttemptRecord("a/tiny", "E_NET", 5.0), AttemptRecord("b/x/y", "ok", 50.0))
    history.observe(replace(RECORD, backend="b", model="x/y", attempts=tries, stream=False, first_token_ms=None))
    a, b = history.take(HOUR)
    assert ({"E_NET": 1}, 0, ("b", "x/y"), 1) == (
        a.tally.errors,
        len(history.calls("a/tiny").latency_ms),
        (b.backend, b.model),
        len(history.calls("b/x/y").latency_ms),
    )


def test_a_client_that_leaves_is_no_error() -> None:
    """And its time is none of the deployment's."""
    history = History()
    history.observe(replace(RECORD, outcome="client_closed", attempts=(AttemptRecord("a/tiny", "client_closed", 5.0),)))
    (hour,) = history.take(HOUR)
    assert (1, {}, 0) == (hour.tally.requests, hour.tally.errors, len(history.calls("a/tiny").latency_ms))


def test_what_a_cache_answered_is_no_call() -> None:
    """It is a hit."""
    history = History()
    history.observe(replace(RECORD, cache="hit", attempts=()))
    (hour,) = history.take(HOUR)
    assert (0, 1) == (hour.tally.requests, hour.tally.cache_hits)


def test_an_hour_is_given_when_something_is_new() -> None:
    """Whole each time, also after it could not be written."""
    history = History()
    history.observe(RECORD)
    taken = history.take(HOUR)
    assert [] == history.take(HOUR)
    history.give_back(taken)
    history.observe(RECORD)
    (hour,) = history.take(HOUR)
    assert 2 == hour.tally.requests


def test_hours_that_are_over_take_no_memory() -> None:
    """Once they are written."""
    history = History()
    history.observe(RECORD)
    taken = history.take(HOUR + 2)
    assert (1, 0) == (len(taken), len(history._hours))
    history.give_back(taken)
    assert taken == history.take(HOUR + 2)


def test_so_many_values_are_remembered() -> None:
    """The oldest go."""
    last = Last()
    for value in range(1500):
        last.add(float(value))
    assert (1000, [500.0, 1499.0]) == (len(last), last.percentiles(0.0, 1.0))


def test_so_many_deployments_are_remembered() -> None:
    """A backend that invents names does not fill the memory."""
    history = History()
    for number in range(5000):
        history.observe(replace(RECORD, attempts=(AttemptRecord(f"a/{number}", "ok", 1.0),)))
    assert (4096, 0, 1) == (
        len(history._calls),
        len(history.calls("a/0").queue_ms),
        len(history.calls("a/4999").queue_ms),
    )
