import pytest

from roundhouse.core.figures.baselines import Pace
from roundhouse.health.drift import CALLS, Drift, Turn

WELL = Pace(100.0, 200.0)


def a_drift() -> Drift:
    """One that knows what short prompts are like."""
    drift = Drift()
    drift.recall({"0.0": WELL}, measured=False)
    return drift


def calls(drift: Drift, pace: Pace, count: int = CALLS, kind: str = "0.0") -> list[Turn]:
    """What so many calls changed."""
    turns = [drift.add(kind, pace) for _ in range(count)]
    return [turn for turn in turns if turn is not None]


def test_a_baseline_is_learned_from_the_first_calls() -> None:
    """Their median: one that stumbled does not count."""
    drift = Drift()
    calls(drift, Pace(1.0, 9000.0), 1)
    calls(drift, WELL, CALLS - 2)
    assert {} == drift.kinds
    calls(drift, WELL, 1)
    assert ({"0.0": WELL}, True) == (drift.kinds, drift.changed)


@pytest.mark.parametrize(("tokens_per_s", "turns"), [(59.0, [Turn.SLOWED]), (61.0, [])])
def test_slower_than_its_share_of_the_baseline_is_slow(tokens_per_s: float, turns: list[Turn]) -> None:
    """After twenty calls, and not after nineteen."""
    drift = a_drift()
    assert [] == calls(drift, Pace(tokens_per_s, 200.0), CALLS - 1)
    assert turns == calls(drift, Pace(tokens_per_s, 200.0), 1)
    assert drift.is_slow == bool(turns)


def test_a_first_token_that_is_late_is_slow_too() -> None:
    """However fast the rest comes."""
    drift = a_drift()
    assert [Turn.SLOWED] == calls(drift, Pace(100.0, 500.0))
    assert drift.share == pytest.approx(0.4)


def test_a_few_milliseconds_are_not_noticed() -> None:
    """Twice next to nothing is next to nothing."""
    drift = Drift()
    drift.recall({"0.0": Pace(100.0, 3.0)}, measured=False)
    assert [] == calls(drift, Pace(100.0, 30.0))


def test_long_prompts_and_crowds_are_no_illness() -> None:
    """They are compared with their like, and learned first."""
    drift = a_drift()
    slow = Pace(20.0, 9000.0)
    assert [] == calls(drift, slow, 5 * CALLS, "5.3")
    assert ({"0.0": WELL, "5.3": slow}, False) == (drift.kinds, drift.is_slow)


def test_it_is_well_again_above_the_upper_mark_only() -> None:
    """Between the marks it stays what it is, in either direction."""
    drift = a_drift()
    between = Pace(70.0, 200.0)
    assert [] == calls(drift, between, 3 * CALLS)
    calls(drift, Pace(30.0, 200.0), 2 * CALLS)
    assert [] == calls(drift, between, 3 * CALLS)
    assert drift.is_slow
    assert drift.share == pytest.approx(0.7)
    assert [Turn.RESTORED] == calls(drift, WELL)
    assert (False, 1.0) == (drift.is_slow, drift.share)


def test_nothing_is_learned_from_what_is_slow() -> None:
    """Otherwise its illness would be its baseline."""
    drift = a_drift()
    calls(drift, Pace(30.0, 200.0), CALLS // 2, "1.0")
    calls(drift, Pace(30.0, 200.0))
    calls(drift, Pace(30.0, 200.0), 2 * CALLS, "1.0")
    assert {"0.0": WELL} == drift.kinds


def test_a_baseline_from_a_bad_day_is_learned_anew() -> None:
    """When calls are as much quicker as would be slow in the other direction."""
    drift = a_drift()
    calls(drift, Pace(170.0, 200.0))
    assert {} == drift.kinds
    calls(drift, Pace(170.0, 200.0))
    assert {"0.0": Pace(170.0, 200.0)} == drift.kinds


def test_a_measured_baseline_takes_the_place_of_all_that_was_learned() -> None:
    """And what was slow by the old one is not by the new."""
    drift = a_drift()
    calls(drift, Pace(30.0, 200.0))
    assert Turn.RESTORED is drift.measure({"0.0": Pace(30.0, 200.0)})
    assert [] == calls(drift, Pace(30.0, 200.0), 2 * CALLS)


def test_a_baseline_of_nothing_is_none() -> None:
    """Whatever a database holds: nobody divides by it."""
    drift = Drift()
    drift.recall({"0.0": Pace(0.0, 1.0)}, measured=True)
    assert [] == calls(drift, WELL, 1)
