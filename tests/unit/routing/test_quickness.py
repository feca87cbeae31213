"""Who is quick: what was measured of each model counts, also among those of one backend."""

from dataclasses import replace

import pytest

from roundhouse.core.events import Events
from roundhouse.core.inference import Capability, Deployment, Operation, Profile, Residency
from roundhouse.core.ledger import AttemptRecord
from roundhouse.health.pacing import Pacing
from roundhouse.health.standing import Standings
from roundhouse.routing.choose import choose
from roundhouse.routing.snapshot import Snapshot
from roundhouse.testing.backend import a_deployment
from roundhouse.testing.builders import a_usage_record
from roundhouse.testing.clock import FakeClock


class House:
    """Models of one backend, and what calls to them were like."""

    def __init__(self) -> None:
        self.clock, self.standings = FakeClock(), Standings(lambda: 0.5)
        self.pacing = Pacing(self.standings.get, Events(), self.clock)

    def answered(self, model: str, *, tokens: int, seconds: float, count: int = 1) -> None:
        """Streams of so many tokens in so many seconds, the first one after 100 ms."""
        lasted_ms, now = seconds * 1e3 + 100.0, self.clock.monotonic()
        for _ in range(count):
            permit = self.standings.of(f"ollama/{model}", "ollama").admit(now)
            assert permit
            permit.succeeded(now, lasted_ms, 100.0)
            attempt = AttemptRecord(f"ollama/{model}", "ok", lasted_ms, 100.0)
            self.pacing.observe(replace(a_usage_record(), completion_tokens=tokens, attempts=(attempt,)))

    def failed(self, model: str, count: int) -> None:
        """Calls that failed in no time, with a 4xx: no breaker leaves it out for these."""
        for _ in range(count):
            permit = self.standings.of(f"ollama/{model}", "ollama").admit(self.clock.monotonic())
            assert permit
            permit.refused(self.clock.monotonic())

    def chosen(self, *deployments: Deployment, name: str = "auto", aliases: tuple[str, ...] = ()) -> str:
        """Whom a chat with *name* goes to."""
        snapshot = Snapshot.build(deployments, {"mine": aliases} if aliases else None)
        profile = Profile(Operation.CHAT, name, frozenset({Capability.CHAT}), 10)
        return choose(profile, snapshot, self.standings, self.clock.monotonic()).candidates[0].id


@pytest.fixture
def house() -> House:
    """Nobody was asked."""
    return House()


def a_model(name: str, residency: Residency = Residency.LOADED) -> Deployment:
    """One of Ollama's."""
    return a_deployment(f"ollama/{name}", residency=residency)


def test_of_two_models_the_one_that_makes_tokens_faster_is_chosen(house: House) -> None:
    """Each by its own figures, though one backend serves both."""
    house.answered("large", tokens=100, seconds=10.0)
    house.answered("small", tokens=100, seconds=1.0)
    assert "ollama/small" == house.chosen(a_model("large"), a_model("small"))


def test_who_says_more_is_not_slow_for_that(house: House) -> None:
    """Tokens count, not how long the last answers were."""
    house.answered("terse", tokens=10, seconds=1.0)
    house.answered("wordy", tokens=1000, seconds=10.0)
    assert "ollama/wordy" == house.chosen(a_model("terse"), a_model("wordy"))


def test_what_is_in_memory_goes_before_what_is_quicker(house: House) -> None:
    """Loading takes longer than the difference."""
    house.answered("quick", tokens=100, seconds=1.0)
    house.answered("here", tokens=100, seconds=1.5)
    assert "ollama/here" == house.chosen(a_model("quick", Residency.COLD), a_model("here"))
    assert "ollama/quick" == house.chosen(a_model("quick"), a_model("here"))


def test_an_alias_keeps_its_order_whatever_is_quick(house: House) -> None:
    """Whoever wrote it knows why."""
    house.answered("good", tokens=100, seconds=10.0)
    house.answered("quick", tokens=100, seconds=1.0)
    assert "ollama/good" == house.chosen(a_model("good"), a_model("quick"), name="mine", aliases=("good", "quick"))


def test_what_has_become_slow_goes_after_what_is_as_it_was(house: House) -> None:
    """Though both make as many tokens now: one of them is ill. Alone it serves all the same."""
    house.answered("ill", tokens=100, seconds=1.0, count=20)
    house.answered("ill", tokens=100, seconds=4.0, count=40)
    house.answered("slow", tokens=100, seconds=4.0, count=40)
    assert "ollama/slow" == house.chosen(a_model("ill"), a_model("slow"))
    assert "ollama/ill" == house.chosen(a_model("ill"))


def test_what_fails_at_once_is_not_quick(house: House) -> None:
    """Failures have no speed, and take points from what was quick before."""
    house.answered("broken", tokens=100, seconds=0.2, count=3)
    house.failed("broken", 30)
    house.answered("slow", tokens=100, seconds=8.0)
    assert "ollama/slow" == house.chosen(a_model("broken"), a_model("slow"))
