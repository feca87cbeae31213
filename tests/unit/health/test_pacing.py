from dataclasses import fields, replace

import pytest

from roundhouse.core.events import BackendDegraded, BackendRestored, Event, Events
from roundhouse.core.figures.baselines import Baseline, Pace
from roundhouse.core.ledger import AttemptRecord, UsageRecord
from roundhouse.health.pacing import Pacing
from roundhouse.health.standing import Standings
from roundhouse.testing.builders import NOON, a_usage_record
from roundhouse.testing.clock import FakeClock

ID = "a/x/y"


class House:
    """One deployment, and what is told of it."""

    def __init__(self) -> None:
        self.clock, self.told = FakeClock(), list[Event]()
        self.events = Events()
        self.events.subscribe(self.told.append)
        self.standings = Standings(lambda: 0.5)
        self.standing = self.standings.of(ID, "a")
        self.pacing = Pacing(self.standings.get, self.events, self.clock)

    def answers(self, tokens_per_s: float, count: int = 20, **changes: object) -> None:
        """So many streams of one second each, after a first token."""
        for _ in range(count):
            self.pacing.observe(a_stream(tokens_per_s, **changes))


def a_stream(tokens_per_s: float, **changes: object) -> UsageRecord:
    """One second of tokens, 100 ms after it was asked for; *changes* are of the record and of its last try."""
    names = {each.name for each in fields(AttemptRecord)}
    of_attempt = {name: changes.pop(name) for name in names & changes.keys()}
    attempt = replace(AttemptRecord(ID, "ok", 1100.0, 100.0), **of_attempt)  # type: ignore[arg-type]
    record = replace(a_usage_record(), completion_tokens=int(tokens_per_s), attempts=(attempt,), cached_tokens=0)
    return replace(record, outcome=attempt.outcome, **changes)  # type: ignore[arg-type]


@pytest.fixture
def house() -> House:
    """Nothing measured yet."""
    return House()


def test_what_becomes_slow_is_told_once_and_so_is_its_end(house: House) -> None:
    """By the names of backend and model, and with its share."""
    house.answers(100)
    house.answers(40, 60)
    house.answers(100, 60)
    assert [BackendDegraded("a", "x/y", 0.4), BackendRestored("a", "x/y")] == house.told


def test_what_is_slow_scores_less_and_gets_another_chance_in_time(house: House) -> None:
    """Nobody is excluded, and nobody is last for ever because nobody asks it any more."""
    house.answers(100)
    house.answers(40)
    assert house.standing.pace(house.clock.monotonic()) == pytest.approx(0.4)
    assert house.standing.is_free(house.clock.monotonic())
    house.clock.advance(301.0)
    assert 1.0 == house.standing.pace(house.clock.monotonic())
    assert {ID: pytest.approx(0.4)} == house.pacing.slow()


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "E_BACKEND"},
        {"outcome": "client_closed"},
        {"cache": "hit"},
        {"estimated": True},
        {"cold": True},
        {"completion_tokens": 7},
        {"first_token_ms": 1099.0},
        {"held_ms": 501.0},
        {"attempts": ()},
    ],
    ids=str,
)
def test_what_says_nothing_of_speed_is_no_speed(change: dict[str, object], house: House) -> None:
    """Failures, caches, guesses, loading, a word, a stream that came in one piece, one that was read slowly."""
    house.answers(100, 20, **change)
    assert (None, None) == (house.pacing.baseline(ID), house.standing.answer_ms(house.clock.monotonic()))


def test_answers_that_are_not_streamed_are_compared_with_nothing(house: House) -> None:
    """How long the prompt took is in their time; what they are worth in a choice they tell."""
    house.answers(100, 20, first_token_ms=None)
    assert house.pacing.baseline(ID) is None
    assert house.standing.answer_ms(house.clock.monotonic()) == pytest.approx(1100.0)


def test_baselines_are_given_when_they_are_new(house: House) -> None:
    """And survive a restart."""
    house.answers(100)
    (baseline,) = house.pacing.take()
    assert ("a", "x/y", "calls", {"0.0": Pace(100.0, 100.0)}) == (
        baseline.backend, baseline.model, baseline.by, baseline.kinds,
    )  # fmt: skip
    assert [] == house.pacing.take()
    house.pacing.give_back([baseline])
    assert [baseline] == house.pacing.take()
    later = House()
    later.pacing.load([baseline])
    later.answers(40)
    assert [BackendDegraded("a", "x/y", 0.4)] == later.told
    assert baseline == later.pacing.baseline(ID)


def test_a_measured_baseline_counts_at_once(house: House) -> None:
    """And says that it was measured."""
    house.pacing.measured(ID, 11, Pace(100.0, 100.0))
    house.answers(40)
    found = house.pacing.baseline(ID)
    assert found
    assert ("test", [BackendDegraded("a", "x/y", 0.4)]) == (found.by, house.told)


def test_so_many_are_remembered() -> None:
    """However many an earlier run knew."""
    house = House()
    house.pacing.load(Baseline("a", str(number), NOON, "test", {"0.0": Pace(1.0, 1.0)}) for number in range(5000))
    assert (None, "4999") == (house.pacing.baseline("a/0"), getattr(house.pacing.baseline("a/4999"), "model", None))


def test_a_name_that_no_database_holds_is_not_kept(house: House) -> None:
    """It serves all the same."""
    name = "a/\x00"
    house.standings.of(name, "a")
    for _ in range(20):
        house.pacing.observe(replace(a_stream(100), attempts=(AttemptRecord(name, "ok", 1100.0, 100.0),)))
    assert [] == house.pacing.take()
