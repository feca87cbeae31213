import dataclasses
import timeit
from datetime import UTC, datetime

import pytest

from roundhouse.core.ledger import UsageRecord
from roundhouse.telemetry.metrics import Metrics

RECORD = UsageRecord(
    id="1",
    at=datetime(2026, 1, 1, tzinfo=UTC),
    principal="local",
    operation="chat",
    requested="auto",
    model="tiny",
    backend="fake",
    prompt_tokens=10,
    completion_tokens=5,
    cached_tokens=0,
    cost_usd=0.25,
    latency_ms=300.0,
    first_token_ms=40.0,
    overhead_ms=0.3,
    stream=True,
    outcome="ok",
    attempts=(),
)


@pytest.fixture
def metrics() -> Metrics:
    """Nothing counted yet."""
    return Metrics("1.2.3")


def test_a_request_is_counted(metrics: Metrics) -> None:
    """By operation, backend and outcome."""
    metrics.observe(RECORD)
    metrics.observe(RECORD)
    assert b'roundhouse_requests_total{backend="fake",operation="chat",outcome="ok"} 2.0' in metrics.render()


@pytest.mark.parametrize(
    "line",
    [
        b'roundhouse_latency_seconds_bucket{backend="fake",le="1.0",operation="chat"} 1.0',
        b'roundhouse_first_token_seconds_bucket{backend="fake",le="0.05",operation="chat"} 1.0',
        b'roundhouse_overhead_seconds_bucket{backend="fake",le="0.0005",operation="chat"} 1.0',
        b'roundhouse_tokens_total{backend="fake",kind="prompt",operation="chat"} 10.0',
        b'roundhouse_tokens_total{backend="fake",kind="completion",operation="chat"} 5.0',
        b'roundhouse_cost_usd_total{backend="fake",operation="chat"} 0.25',
        b'roundhouse_build_info{version="1.2.3"} 1.0',
    ],
)
def test_what_is_told(line: bytes, metrics: Metrics) -> None:
    """Times in seconds, tokens, USD, and who we are."""
    metrics.observe(RECORD)
    assert line in metrics.render()


def test_a_request_that_nobody_served(metrics: Metrics) -> None:
    """It has a place in the sum too."""
    metrics.observe(dataclasses.replace(RECORD, backend=None, model=None, first_token_ms=None, outcome="E_NOROUTE"))
    assert b'{backend="(none)",operation="chat",outcome="E_NOROUTE"} 1.0' in metrics.render()


def test_what_a_cache_answered_is_not_taken_for_a_backend(metrics: Metrics) -> None:
    """Also where there is one called `cache`."""
    metrics.observe(dataclasses.replace(RECORD, cache="hit"))
    metrics.observe(dataclasses.replace(RECORD, backend="cache"))
    text = metrics.render()
    assert b'{backend="(cache)",operation="chat",outcome="ok"} 1.0' in text
    assert b'{backend="cache",operation="chat",outcome="ok"} 1.0' in text


def test_names_of_clients_are_no_labels(metrics: Metrics) -> None:
    """A thousand models and users make no more series than one."""
    metrics.observe(RECORD)
    once = len(metrics.render().splitlines())
    for number in range(1000):
        metrics.observe(dataclasses.replace(RECORD, requested=f"m{number}", model=f"m{number}", principal=f"p{number}"))
    assert once == len(metrics.render().splitlines())


def test_counting_is_cheap(metrics: Metrics) -> None:
    """It happens on every request."""
    assert min(timeit.repeat(lambda: metrics.observe(RECORD), number=100, repeat=10)) / 100 < 50e-6
