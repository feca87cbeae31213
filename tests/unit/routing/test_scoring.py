import pytest

from roundhouse.core.inference import Price, Residency
from roundhouse.health.standing import Standings
from roundhouse.routing.policy import Weights
from roundhouse.routing.scoring import Factor, Values, factors, lively_values, price_value, residency_value


def test_free_is_best_and_an_unknown_price_is_poor() -> None:
    """Nobody gets a bill for a guess."""
    cheap, dear = price_value(Price(1e-7, 4e-7)), price_value(Price(1e-5, 3e-5))
    assert 1.0 == price_value(Price(0, 0)) > cheap > dear
    assert price_value(None) < cheap


def test_weights_in_memory_are_worth_more_than_cold_ones() -> None:
    """Loading takes seconds."""
    loaded, unknown, cold = (residency_value(each) for each in (Residency.LOADED, Residency.UNKNOWN, Residency.COLD))
    assert loaded > unknown > cold


def test_what_was_never_tried_has_neutral_values() -> None:
    """No errors, no load, and a latency in the middle."""
    assert lively_values(None, 0.0) == (1.0, 0.5, 1.0)


def test_a_busy_failing_slow_deployment_has_lower_values() -> None:
    """Each measurement lowers its own factor."""
    standing = Standings(lambda: 0.5).of("a/m", "a")
    permits = [standing.admit(0.0) for _ in range(10)]
    assert permits[0]
    assert permits[1]
    permits[0].failed(0.0)
    permits[1].succeeded(0.0, 2_000.0)
    assert list(lively_values(standing, 0.0)) == pytest.approx([0.84, 0.84 * 0.5, 0.84 * 0.5])


def test_factors_carry_names_weights_and_points() -> None:
    """A score can be read."""
    found = factors(Values(1.0, 0.5, 0.0, 0.0, 0.0), Weights(residency=0.4))
    assert (Factor("residency", 0.5, 0.4), 0.2) == (found[1], found[1].points)


def test_what_fails_at_once_does_not_look_idle() -> None:
    """A deployment whose calls fail in no time has less of every lively value than a slow one that answers."""
    standings = Standings(lambda: 0.5)
    failing, slow = standings.of("a/m", "a"), standings.of("b/m", "b")
    for _ in range(30):
        permit = failing.admit(0.0, despite_breaker=True)
        assert permit
        permit.failed(0.0)
    for permit in [slow.admit(0.0) for _ in range(8)][:1]:
        assert permit
        permit.succeeded(0.0, 8_000.0)
    pairs = zip(lively_values(failing, 0.0), lively_values(slow, 0.0), strict=True)
    assert all(of_failing < of_slow for of_failing, of_slow in pairs)
