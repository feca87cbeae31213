from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from roundhouse.app.desks.backends import Backends
from roundhouse.app.neighbours import Origin
from roundhouse.app.rooms import Rooms
from roundhouse.core.desks.trial import Trial
from roundhouse.core.errors import BackendError, NotFoundError
from roundhouse.core.events import Events
from roundhouse.core.figures.baselines import Pace
from roundhouse.core.inference import Capability, Deployment
from roundhouse.core.ports import BackendHealth
from roundhouse.health.pacing import Pacing
from roundhouse.testing.backend import FakeBackend, a_deployment
from roundhouse.testing.clock import FakeClock


class Leaving(FakeBackend):
    """A backend that is taken away while it says how it is."""

    def __init__(self, name: str, leave: Callable[[], None]) -> None:
        super().__init__(name, ("x",), pieces=COUNT, usage=None)
        self._leave = leave

    async def health(self) -> BackendHealth:
        """As well as can be."""
        self._leave()
        return await super().health()


COUNT = [f"{number}, " for number in range(1, 21)]
ASKED, KEPT = Trial(prompt=True), Trial(prompt=True, baseline=True)


class House:
    """One backend with two models that count, and nothing else that a desk needs."""

    def __init__(self) -> None:
        self.backend = FakeBackend("a", ("x", "y"), pieces=COUNT, usage=None)
        self.offers: Sequence[Deployment] = (a_deployment("a/x"), a_deployment("a/y"))
        self.pacing = Pacing(lambda _id: None, Events(), FakeClock())
        self.steps = iter(range(10_000))
        self.backends = {"a": self.backend}
        self.origins = {"a": Origin("ollama", None, configured=True), "b": Origin("ollama", None, configured=True)}
        rooms = SimpleNamespace(
            fleet=self,
            origins=self.origins,
            figuring=SimpleNamespace(pacing=self.pacing),
            clock=SimpleNamespace(monotonic=lambda: next(self.steps) / 8),
        )
        self.desk = Backends(cast("Rooms", rooms))

    def forget(self, name: str) -> None:
        """One leaves, as the roster lets it."""
        del self.backends[name], self.origins[name]

    async def refresh(self, names: Sequence[str]) -> None:
        """Nothing has changed."""

    def offered(self, _name: str) -> Sequence[Deployment]:
        """Both."""
        return self.offers

    def speed(self, model: str) -> float | None:
        """What the baseline of one says."""
        found = self.pacing.baseline(f"a/{model}")
        return None if found is None else found.kinds["0.0"].tokens_per_s


@pytest.fixture
def house() -> House:
    """Nobody was tried."""
    return House()


async def test_the_first_trial_is_the_baseline_and_later_ones_only_when_wanted(house: House) -> None:
    """Otherwise an ill one would be compared with itself."""
    first = await house.desk.test_backend("a", ASKED)
    assert (True, None, "right", 160.0) == (first.baseline, first.pace, first.verdict, house.speed("x"))
    house.pacing.measured("a/x", 1, Pace(320.0, 100.0))
    second = await house.desk.test_backend("a", ASKED)
    assert (False, 0.5, 320.0, 320.0) == (second.baseline, second.pace, second.usual, house.speed("x"))
    third = await house.desk.test_backend("a", KEPT)
    assert (True, 0.5, 160.0) == (third.baseline, third.pace, house.speed("x"))


async def test_a_model_may_be_named(house: House) -> None:
    """And one that is not there is not found."""
    tried = await house.desk.test_backend("a", Trial(prompt=True, model="y"))
    assert ("y", 160.0, None) == (tried.model, house.speed("y"), house.speed("x"))
    with pytest.raises(NotFoundError):
        await house.desk.test_backend("a", Trial(prompt=True, model="z"))


async def test_nobody_is_asked_for_a_word_unasked(house: House) -> None:
    """It may cost money."""
    found = await house.desk.test_backend("a", Trial())
    assert (True, None, []) == (found.ok, found.reply, house.backend.calls)


async def test_a_model_that_fails_is_an_answer(house: House) -> None:
    """With its reason, and no baseline."""
    house.backend.fail(BackendError("out of memory"))
    found = await house.desk.test_backend("a", KEPT)
    assert (False, "out of memory", "x", None) == (found.ok, found.detail, found.model, house.speed("x"))


async def test_where_nothing_can_chat_nobody_is_asked(house: House) -> None:
    """Embeddings count nothing."""
    house.offers = (a_deployment("a/x", capabilities=frozenset({Capability.EMBEDDING})),)
    found = await house.desk.test_backend("a", ASKED)
    assert (False, "it offers no model that can chat") == (found.ok, found.detail)


async def test_who_leaves_while_it_is_asked_is_left_out(house: House) -> None:
    """The others are listed; whoever asks for that one is told that there is none."""
    house.backends["b"] = Leaving("b", lambda: house.forget("b"))
    assert ["a"] == [each.name for each in await house.desk.backends()]
    with pytest.raises(NotFoundError):
        await house.desk.status_of("b")


async def test_who_leaves_while_it_is_tried_is_tried_to_the_end(house: House) -> None:
    """It answers what it was asked."""
    house.forget("a")
    house.backends["a"], house.origins["a"] = Leaving("a", lambda: house.forget("a")), house.origins["b"]
    assert "right" == (await house.desk.test_backend("a", ASKED)).verdict
