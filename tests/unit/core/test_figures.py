import pytest

from roundhouse.core.figures import Histogram, Tally


@pytest.mark.parametrize("value", [0.5, 3.0, 42.0, 1234.0, 600_000.0])
def test_a_percentile_is_nearly_right(value: float) -> None:
    """Off by a tenth at most, above a millisecond."""
    histogram = Histogram()
    histogram.add(value)
    assert max(value, 1.0) == pytest.approx(histogram.percentile(0.5), rel=0.1)


def test_percentiles_are_those_of_the_share() -> None:
    """Nine of ten are short."""
    histogram = Histogram()
    for value in [10.0] * 90 + [1000.0] * 10:
        histogram.add(value)
    assert [10.0, 10.0, 1000.0] == pytest.approx([histogram.percentile(share) for share in (0.5, 0.9, 0.99)], rel=0.1)


def test_nothing_has_no_percentile() -> None:
    """There is nothing to tell."""
    assert Histogram().percentile(0.5) is None


def test_tallies_add_up() -> None:
    """Counts, kinds and histograms."""
    whole, part = Tally(1, 1, 2, 3, 0.5, {"E_NET": 1}), Tally(2, 0, 1, 1, 0.5, {"E_NET": 1, "E_BACKEND": 1})
    part.latency.add(5.0)
    whole.merge(part)
    assert (3, 1, 3, 4, 1.0, {"E_NET": 2, "E_BACKEND": 1}, 1) == (
        whole.requests,
        whole.cache_hits,
        whole.prompt_tokens,
        whole.completion_tokens,
        whole.busy_s,
        whole.errors,
        sum(whole.latency.counts.values()),
    )
