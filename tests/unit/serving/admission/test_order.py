from dataclasses import dataclass

from roundhouse.serving.admission.order import Hall, pick
from roundhouse.serving.admission.rules import GateRules

ONE = GateRules(min_residency_s=3.0, collate_s=10.0)


@dataclass
class Waits:
    """One who waits."""

    model: str
    arrived: float = 0.0
    slots: int | None = None


def queue(models: str, arrived: float = 0.0) -> list[Waits]:
    """One request for each letter's model."""
    return [Waits(model, arrived) for model in models]


def test_the_first_is_next() -> None:
    """Where nothing is against it."""
    assert pick(queue("ab"), Hall({}), GateRules(), 0.0).place == 0


def test_a_model_without_a_free_slot_does_not_hold_up_the_others() -> None:
    """The first whose model has room is next."""
    waiting = [Waits("a", slots=2), Waits("a", slots=2), Waits("b", slots=2)]
    assert pick(waiting, Hall({"a": 2, "b": 1}), GateRules(), 0.0).place == 2


def test_those_for_the_model_that_is_there_go_first() -> None:
    """One swap serves all of them."""
    assert pick(queue("bbab", 0.0), Hall({"a": 1}, "a", 0.0), ONE, 9.0).place == 2


def test_nobody_is_overtaken_for_long() -> None:
    """After ten seconds nobody enters until the swap, not even for the model that is there."""
    assert pick(queue("ba"), Hall({"a": 1}, "a", 0.0), ONE, 10.0).place is None
    assert pick(queue("ba"), Hall({}, "a", 0.0), ONE, 10.0).place == 0


def test_a_swap_waits_for_the_last_call() -> None:
    """It would cut it."""
    assert pick(queue("b"), Hall({"a": 1}, "a", 0.0), ONE, 100.0) == (None, None)


def test_a_model_stays_for_a_moment() -> None:
    """Two clients with two models do not make it swap all the time; the gate is told when to look again."""
    assert pick(queue("b", 5.0), Hall({}, "a", 5.0), ONE, 6.0) == (None, 2.0)


def test_nobody_is_next_where_nobody_waits() -> None:
    """An empty queue is no case for anything."""
    assert pick([], Hall({}), ONE, 0.0) == (None, None)
