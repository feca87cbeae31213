import pytest

from roundhouse.health.figures import Figures


def test_nothing_is_known_at_first() -> None:
    """A deployment that was never called has no latency and no errors."""
    figures = Figures()
    assert (figures.latency_ms(0.0), figures.first_token_ms(0.0), figures.error_rate(0.0)) == (None, None, 0.0)


def test_the_first_measurement_is_the_average() -> None:
    """The average does not start from an invented value."""
    figures = Figures()
    figures.call_succeeded(0.0, 800.0, 90.0)
    assert (figures.latency_ms(0.0), figures.first_token_ms(0.0)) == (800.0, 90.0)


def test_the_average_follows_slowly() -> None:
    """The newest call counts for a fifth."""
    figures = Figures()
    figures.call_succeeded(0.0, 100.0, None)
    figures.call_succeeded(1.0, 200.0, None)
    assert figures.latency_ms(1.0) == pytest.approx(120.0)


def test_old_measurements_are_forgotten() -> None:
    """What was slow once gets another chance after five minutes."""
    figures = Figures()
    figures.call_succeeded(0.0, 60_000.0, None)
    assert (figures.latency_ms(300.0), figures.latency_ms(300.1)) == (60_000.0, None)


def test_failures_raise_the_error_rate_and_time_lowers_it() -> None:
    """The error rate halves every thirty seconds."""
    figures = Figures()
    figures.call_failed(0.0)
    assert [figures.error_rate(0.0), figures.error_rate(30.0)] == pytest.approx([0.2, 0.1])


def test_the_error_rate_stays_a_share() -> None:
    """However many calls fail, the rate is at most one."""
    figures = Figures()
    for _ in range(1_000):
        figures.call_failed(0.0)
    assert 0.99 < figures.error_rate(0.0) <= 1.0


def test_a_success_lowers_the_error_rate() -> None:
    """A deployment that works again says so with each call."""
    figures = Figures()
    figures.call_failed(0.0)
    figures.call_succeeded(0.0, 1.0, None)
    assert figures.error_rate(0.0) == pytest.approx(0.16)
