from dataclasses import replace
from datetime import timedelta

from roundhouse.core.artifacts import Digest
from roundhouse.testing.builders import NOON
from roundhouse.upkeep.collecting.plan import Goal, Holding, Verdict, judge, span

A, B, C = (Digest(f"{number:064x}") for number in range(3))
SIZES = {A: 10, B: 20, C: 30}


def a_holding(model: str, *blobs: Digest, days: int = 1, cost_s: float = 60.0) -> Holding:
    """A model that was used some days ago."""
    return Holding(model, frozenset(blobs), 10, NOON - timedelta(days=days), cost_s)


def told(verdicts: tuple[Verdict, ...]) -> list[tuple[str, int]]:
    """Those that go, in their order, with what they free."""
    return [(verdict.holding.model, verdict.bytes_freed) for verdict in verdicts if verdict.removed]


def test_nothing_goes_unasked() -> None:
    """Without a goal all stay, and each says since when it is idle."""
    (verdict,) = judge([a_holding("m", A, days=400)], SIZES, Goal(NOON))
    assert (verdict.removed, verdict.reason) == (False, "last used 400 days ago")


def test_the_least_worth_goes_first() -> None:
    """Long unused and soon fetched again goes before lately used or dear."""
    models = [a_holding("dear", A, days=30, cost_s=9000), a_holding("new", B), a_holding("old", C, days=30)]
    assert [("old", 30)] == told(judge(models, SIZES, Goal(NOON, needed=25)))
    assert [("old", 30), ("new", 20), ("dear", 10)] == told(judge(models, SIZES, Goal(NOON, needed=55)))


def test_what_did_not_help_is_given_back() -> None:
    """A small old one does not go when a larger one had to go anyway."""
    models = [a_holding("small", A, days=300), a_holding("large", C)]
    assert [("large", 30)] == told(judge(models, SIZES, Goal(NOON, needed=30)))


def test_shared_bytes_come_free_with_the_last_holder() -> None:
    """The first of two frees nothing of what they share."""
    models = [a_holding("one", A, B, days=9), a_holding("two", A, days=8)]
    verdicts = judge(models, SIZES, Goal(NOON, unused_for=timedelta(days=7)))
    assert [("one", 20), ("two", 10)] == told(verdicts)


def test_why_it_stays() -> None:
    """Pinned before all, irreplaceable unless asked, spared when there is room."""
    models = [
        replace(a_holding("pinned", A, days=99), protected="pinned", irreplaceable="came from a file"),
        replace(a_holding("ours", B, days=99), irreplaceable="came from a file"),
        a_holding("new", A),
    ]
    goal = Goal(NOON, unused_for=timedelta(days=30))
    reasons = {verdict.holding.model: verdict.reason for verdict in judge(models, SIZES, goal)}
    assert reasons == {"pinned": "pinned", "ours": "came from a file", "new": "last used 1 day ago"}
    asked = Goal(NOON, unused_for=timedelta(days=30), include_irreplaceable=True)
    assert [("ours", 20)] == told(judge(models, SIZES, asked))


def test_why_it_goes() -> None:
    """A person can judge the judgement."""
    (old,) = judge([a_holding("m", A, days=40)], SIZES, Goal(NOON, unused_for=timedelta(days=30)))
    (room,) = judge([a_holding("m", A, days=40)], SIZES, Goal(NOON, needed=1))
    assert ("not used for 40 days", "room is needed: not used for 40 days, fetched again in 1 minute") == (
        old.reason,
        room.reason,
    )


def test_spans() -> None:
    """The largest unit that fits."""
    seconds = (0, 59, 60, 7200, 86_400, 40 * 86_400)
    assert ["0 seconds", "59 seconds", "1 minute", "2 hours", "1 day", "40 days"] == [
        span(timedelta(seconds=each)) for each in seconds
    ]
