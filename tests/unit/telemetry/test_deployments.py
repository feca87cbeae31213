from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from roundhouse.core.ledger import AttemptRecord
from roundhouse.telemetry.deployments import DeploymentMetrics, Reading
from roundhouse.testing.builders import a_usage_record

TRIES = (AttemptRecord("cloud/tiny", "E_BACKEND", 3.5), AttemptRecord("local/tiny", "ok", 800.0, 40.0, 120.0))
RECORD = replace(a_usage_record(), model="tiny", backend="local", attempts=TRIES)


@pytest.fixture
def metrics() -> DeploymentMetrics:
    """Nothing counted yet."""
    return DeploymentMetrics()


def samples(metrics: DeploymentMetrics) -> dict[tuple[str, str, str], float]:
    """What a collector reads: by name, deployment and what else there is."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name.removeprefix("roundhouse_deployment_"), sample.labels.pop("deployment"), _rest(sample.labels)):
        sample.value for family in families for sample in family.samples
    }  # fmt: skip


def _rest(labels: dict[str, str]) -> str:
    return ",".join(value for name, value in labels.items() if name != "backend")


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        (("calls_total", "cloud/tiny", "E_BACKEND"), 1.0),
        (("calls_total", "local/tiny", "ok"), 1.0),
        (("tokens_total", "cloud/tiny", "prompt"), 0.0),
        (("tokens_total", "local/tiny", "prompt"), 11.0),
        (("tokens_total", "local/tiny", "completion"), 7.0),
        (("latency_seconds_bucket", "local/tiny", "0.25"), 0.0),
        (("latency_seconds_bucket", "local/tiny", "1.0"), 1.0),
        (("latency_seconds_bucket", "local/tiny", "+Inf"), 1.0),
        (("latency_seconds_sum", "local/tiny", ""), 0.8),
        (("latency_seconds_count", "cloud/tiny", ""), 0.0),
        (("first_token_seconds_bucket", "local/tiny", "0.05"), 1.0),
        (("queue_seconds_bucket", "local/tiny", "0.1"), 0.0),
        (("queue_seconds_bucket", "local/tiny", "0.5"), 1.0),
    ],
)
def test_calls_count_where_they_were_made(
    sample: tuple[str, str, str], value: float, metrics: DeploymentMetrics
) -> None:
    """Each try at its own deployment; only answers have times, only who answered has tokens."""
    metrics.observe(RECORD)
    assert value == samples(metrics)[sample]


def test_how_fast_tokens_were_made_is_told(metrics: DeploymentMetrics) -> None:
    """Of answers that are long enough to tell: 38 in 0.76 s, and not the seven before."""
    metrics.observe(RECORD)
    metrics.observe(replace(RECORD, completion_tokens=38))
    found = samples(metrics)
    assert (0.0, 1.0) == tuple(found["tokens_per_second_bucket", "local/tiny", bound] for bound in ("20.0", "50.0"))
    assert (50.0, 1.0) == tuple(found[f"tokens_per_second_{part}", "local/tiny", ""] for part in ("sum", "count"))


def test_a_cache_hit_is_no_call(metrics: DeploymentMetrics) -> None:
    """It counts for whoever answered once."""
    metrics.observe(replace(RECORD, cache="hit", attempts=()))
    found = samples(metrics)
    assert 1.0 == found["cache_hits_total", "local/tiny", ""]
    assert not [key for key in found if key[0] == "calls_total"]


def test_so_many_deployments_have_series_of_their_own(metrics: DeploymentMetrics) -> None:
    """The rest of each backend is one: a list of models that somebody else writes fills no memory."""
    for number in range(2000):
        metrics.observe(replace(RECORD, attempts=(AttemptRecord(f"cloud/{number}", "ok", 1.0),)))
    calls = {key[1]: value for key, value in samples(metrics).items() if key[0] == "calls_total"}
    assert (257, 2000.0 - 256) == (len(calls), calls["other"])


def test_what_is_gone_leaves_no_series_and_makes_room(metrics: DeploymentMetrics) -> None:
    """Somebody else has its place then."""
    for number in range(256):
        metrics.observe(replace(RECORD, attempts=(AttemptRecord(f"cloud/{number}", "ok", 1.0),)))
    metrics.keep(["cloud/7"])
    metrics.observe(RECORD)
    assert {"cloud/7", "cloud/tiny", "local/tiny"} == {key[1] for key in samples(metrics)}


@pytest.mark.parametrize("model", ["\ud800", "a\nb", "x" * 300, "\x00"])
def test_a_name_that_no_label_can_hold_is_another_one(model: str, metrics: DeploymentMetrics) -> None:
    """One odd model at somebody's server does not spoil the whole scrape."""
    metrics.observe(replace(RECORD, attempts=(AttemptRecord(f"cloud/{model}", "ok", 1.0),)))
    assert {"other"} == {key[1] for key in samples(metrics)}


def test_quotes_are_written_so_that_they_are_read_again(metrics: DeploymentMetrics) -> None:
    """A name may have them."""
    name = 'cloud/a "b" \\ c'
    metrics.observe(replace(RECORD, attempts=(AttemptRecord(name, "ok", 1.0),)))
    assert {name} == {key[1] for key in samples(metrics)}


def test_readings_are_written_as_gauges(metrics: DeploymentMetrics) -> None:
    """As they are now."""
    text = metrics.render([Reading("slots", "Calls.", [({"backend": "a"}, 2.0)])])
    assert text.endswith(b'# HELP slots Calls.\n# TYPE slots gauge\nslots{backend="a"} 2.0\n')
