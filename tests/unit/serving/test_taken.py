from roundhouse.routing.route import Route
from roundhouse.serving.taken import Decision, Taken
from roundhouse.testing.backend import a_request

PROFILE = a_request().profile


def test_a_decision_is_found_by_its_id() -> None:
    """What was asked and what was decided."""
    taken, route = Taken(), Route()
    taken.add("r-1", PROFILE, route)
    assert taken.get("r-1") == Decision(PROFILE, route)


def test_the_oldest_is_forgotten_first() -> None:
    """Memory is bounded."""
    taken = Taken(most=2)
    for number in range(3):
        taken.add(f"r-{number}", PROFILE, Route())
    assert [taken.get(f"r-{number}") is None for number in range(3)] == [True, False, False]
