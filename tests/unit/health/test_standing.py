import pytest

from roundhouse.core.events import BreakerClosed, BreakerOpened, Event, Events
from roundhouse.health.breaker import FREE
from roundhouse.health.standing import Permit, Standing, Standings


@pytest.fixture
def standings() -> Standings:
    """Standings without jitter."""
    return Standings(lambda: 0.5)


def admitted(standing: Standing, now: float = 0.0) -> Permit:
    """One call that passed."""
    permit = standing.admit(now)
    assert permit is not None
    return permit


def test_a_call_counts_as_in_flight_until_it_ends(standings: Standings) -> None:
    """Every way of ending a call takes it out of flight."""
    standing = standings.of("a/m", "a")
    permits = [admitted(standing) for _ in range(4)]
    permits[0].succeeded(0.0, 1.0)
    permits[1].failed(0.0)
    permits[2].limited(0.0, 1.0)
    permits[3].released()
    assert standing.in_flight == 0


def test_a_rate_limit_is_a_cooldown_and_not_a_failure(standings: Standings) -> None:
    """A 429 keeps calls away for as long as it says and leaves the breaker alone."""
    standing = standings.of("a/m", "a")
    admitted(standing).limited(0.0, 7.0)
    assert (standing.cooling_s(0.0), standing.open_s(0.0), standing.error_rate(0.0)) == (7.0, 0.0, 0.0)


def test_a_cooldown_has_an_end(standings: Standings) -> None:
    """Nobody gets to switch a deployment off for a day."""
    standing = standings.of("a/m", "a")
    admitted(standing).limited(0.0, 86_400.0)
    assert standing.cooling_s(0.0) == 600.0


def test_a_shorter_cooldown_does_not_end_a_longer_one(standings: Standings) -> None:
    """Calls that were under way together report different waits; the longest holds."""
    standing = standings.of("a/m", "a")
    first, second = admitted(standing), admitted(standing)
    first.limited(0.0, 30.0)
    second.limited(0.0, 1.0)
    assert standing.cooling_s(0.0) == 30.0


def test_failures_of_one_model_leave_its_siblings_alone(standings: Standings) -> None:
    """What the backend answered speaks only for the model that was asked."""
    for _ in range(5):
        admitted(standings.of("a/bad", "a")).failed(0.0)
    assert (standings.of("a/bad", "a").is_free(0.0), standings.of("a/good", "a").is_free(0.0)) == (False, True)


def test_an_unreachable_backend_closes_the_road_to_all_its_models(standings: Standings) -> None:
    """A dead machine is found out once, not once per model."""
    for number in range(5):
        admitted(standings.of(f"a/{number}", "a")).failed(0.0, unreachable=True)
    assert (standings.of("a/new", "a").is_free(0.0), standings.of("b/new", "b").is_free(0.0)) == (False, True)


def test_one_probe_goes_to_a_backend_that_was_away(standings: Standings) -> None:
    """Half open, the backend gets one call, whichever model it is for."""
    for number in range(5):
        admitted(standings.of(f"a/{number}", "a")).failed(0.0, unreachable=True)
    probe = standings.of("a/0", "a").admit(10.0)
    assert (probe is not None, standings.of("a/1", "a").admit(10.0)) == (True, None)


def test_the_backend_is_trusted_again_after_one_success(standings: Standings) -> None:
    """One answer from any model opens the road to all of them."""
    for number in range(5):
        admitted(standings.of(f"a/{number}", "a")).failed(0.0, unreachable=True)
    admitted(standings.of("a/0", "a"), now=10.0).succeeded(10.0, 5.0)
    assert standings.of("a/1", "a").is_free(10.0)


def test_a_call_can_be_made_despite_the_breaker(standings: Standings) -> None:
    """Whoever has no other choice may call, and a success counts."""
    standing = standings.of("a/m", "a")
    for _ in range(5):
        admitted(standing).failed(0.0)
    permit = standing.admit(1.0, despite_breaker=True)
    assert permit is not None
    permit.succeeded(1.0, 5.0)
    assert standing.is_free(1.0)


def test_what_left_the_catalogue_is_forgotten(standings: Standings) -> None:
    """Memory is bounded by what exists."""
    for name in ("a/1", "a/2"):
        standings.of(name, "a")
    standings.keep(["a/2", "a/3"])
    assert list(standings) == ["a/2"]


def test_breakers_are_told_of() -> None:
    """A model's by its name, a backend's without one."""
    events, told = Events(), list[Event]()
    events.subscribe(told.append)
    standing = Standings(lambda: 0.5, events=events).of("a/m", "a")
    for _ in range(5):
        admitted(standing).failed(0.0, unreachable=True)
    admitted(standing, 10.0).succeeded(10.0, 1.0)
    assert told == [
        BreakerOpened("a", "m", 10.0),
        BreakerOpened("a", None, 10.0),
        BreakerClosed("a", "m"),
        BreakerClosed("a", None),
    ]


def test_a_refusal_is_no_failure_and_no_good_answer() -> None:
    """A 4xx opens no breaker, and counts where deployments are compared."""
    standing = Standings(lambda: 0.5).of("a/m", "a")
    for _ in range(20):
        admitted(standing).refused(0.0)
    assert (standing.open_s(0.0), standing.error_rate(0.0) > 0.9, standing.in_flight) == (0.0, True, 0)


def test_who_waited_is_not_turned_away_by_a_check(standings: Standings) -> None:
    """By a breaker that has opened, yes; nobody new comes in while it is held."""
    standing = standings.of("a/m", "a")
    waiting = standing.admit(0.0)
    assert waiting
    standings.breaker_of("a").hold()
    assert (False, None, False) == (waiting.is_void, standing.admit(1.0), standing.is_free(1.0))
    for _ in range(5):
        standings.breaker_of("a").failed(FREE, 1.0)
    assert waiting.is_void


def test_a_backend_that_was_taken_away_is_forgotten(standings: Standings) -> None:
    """Another one by its name is innocent."""
    standings.breaker_of("a").hold()
    standings.forget("a")
    assert standings.of("a/m", "a").is_free(0.0)
