import math

from roundhouse.health.breaker import DESPITE, FREE, Breaker, BreakerPolicy, State


def a_breaker(random: float = 0.5) -> Breaker:
    """A breaker without surprise: 0.5 is no jitter."""
    return Breaker(BreakerPolicy(), lambda: random)


def an_open_breaker(now: float = 0.0, random: float = 0.5) -> Breaker:
    """A breaker that has just opened for the first time."""
    breaker = a_breaker(random)
    for _ in range(5):
        breaker.failed(FREE, now)
    return breaker


def test_four_failures_leave_it_closed() -> None:
    """Fewer failures in a row than the policy says change nothing."""
    breaker = a_breaker()
    for _ in range(4):
        breaker.failed(FREE, 0.0)
    assert breaker.state(0.0) is State.CLOSED


def test_the_fifth_failure_in_a_row_opens_it() -> None:
    """Five failures in a row open the breaker for ten seconds."""
    breaker = an_open_breaker(now=100.0)
    assert (breaker.state(100.0), breaker.open_s(100.0)) == (State.OPEN, 10.0)


def test_a_success_starts_the_count_again() -> None:
    """Only failures in a row count."""
    breaker = a_breaker()
    for _ in range(4):
        breaker.failed(FREE, 0.0)
    breaker.succeeded(FREE, 0.0)
    breaker.failed(FREE, 0.0)
    assert breaker.state(0.0) is State.CLOSED


def test_an_open_breaker_admits_nobody() -> None:
    """While it is open, no call passes."""
    assert an_open_breaker().admit(9.9) is None


def test_half_open_admits_one_probe() -> None:
    """When the time is over one call passes, and no second one before the first is back."""
    breaker = an_open_breaker()
    first, second = breaker.admit(10.0), breaker.admit(10.0)
    assert (True, None, math.inf) == (bool(first), second, breaker.open_s(10.0))


def test_a_probe_that_succeeds_closes_it() -> None:
    """One success closes the breaker."""
    breaker = an_open_breaker()
    breaker.succeeded(breaker.admit(10.0) or FREE, 10.0)
    assert (breaker.state(10.0), breaker.admit(10.0)) == (State.CLOSED, FREE)


def test_a_probe_that_fails_opens_it_for_twice_as_long() -> None:
    """Each opening in a row lasts twice as long as the one before."""
    breaker = an_open_breaker()
    breaker.failed(breaker.admit(10.0) or FREE, 11.0)
    assert breaker.open_s(11.0) == 20.0


def test_it_never_stays_open_for_more_than_five_minutes() -> None:
    """Doubling stops at the longest opening, jitter included, after any number of probes."""
    breaker, now = an_open_breaker(random=1.0), 0.0
    for _ in range(2_000):
        now += breaker.open_s(now)
        breaker.failed(breaker.admit(now) or FREE, now)
    assert breaker.open_s(now) == 300.0


def test_the_opening_is_jittered() -> None:
    """Breakers that opened together do not probe together."""
    assert (an_open_breaker(random=0.0).open_s(0.0), an_open_breaker(random=1.0).open_s(0.0)) == (8.0, 12.0)


def test_a_released_probe_makes_room_for_another() -> None:
    """A probe that was cancelled proves nothing and blocks nobody."""
    breaker = an_open_breaker()
    breaker.released(breaker.admit(10.0) or FREE)
    assert breaker.admit(10.0)


def test_a_straggler_neither_reopens_nor_frees_the_probe() -> None:
    """Calls that left before it opened do not speak for the probe."""
    breaker = an_open_breaker()
    breaker.admit(10.0)
    breaker.failed(FREE, 10.0)
    breaker.released(FREE)
    assert (breaker.state(10.0), breaker.admit(10.0)) == (State.HALF_OPEN, None)


def test_a_probe_from_an_earlier_opening_does_not_count() -> None:
    """The outcome of a probe matters only while it is the probe."""
    breaker = an_open_breaker()
    late = breaker.admit(10.0) or FREE
    breaker.succeeded(DESPITE, 10.0)
    for _ in range(5):
        breaker.failed(FREE, 20.0)
    breaker.failed(late, 21.0)
    assert breaker.open_s(21.0) == 9.0


def test_half_of_ten_calls_open_it() -> None:
    """Failures that are never five in a row are too many when they are half of at least ten calls within 30 s."""
    breaker = a_breaker()
    for second in range(10):
        assert breaker.state(float(second)) is State.CLOSED
        if second % 2:
            breaker.failed(FREE, float(second))
        else:
            breaker.succeeded(FREE, float(second))
    assert breaker.state(9.0) is State.OPEN


def test_calls_of_half_a_minute_ago_do_not_count() -> None:
    """The share is that of the last 30 s."""
    breaker = a_breaker()
    for _ in range(4):
        breaker.failed(FREE, 0.0)
        breaker.succeeded(FREE, 0.0)
    breaker.succeeded(FREE, 0.0)
    breaker.failed(FREE, 30.0)
    assert breaker.state(30.0) is State.CLOSED


def test_a_straggler_that_succeeds_does_not_close_it() -> None:
    """Of calls that half fail, half succeed: those that left before it opened prove nothing."""
    breaker = an_open_breaker()
    breaker.succeeded(FREE, 1.0)
    assert breaker.state(1.0) is State.OPEN


def test_a_call_made_in_spite_of_it_closes_it_when_it_succeeds() -> None:
    """Whoever is called because there is nobody else, and answers, is well."""
    breaker = an_open_breaker()
    breaker.succeeded(DESPITE, 1.0)
    assert breaker.state(1.0) is State.CLOSED


def test_it_tells_when_it_opens_and_when_it_closes() -> None:
    """Once per opening, whatever the number of probes that fail."""
    told: list[float] = []
    breaker = Breaker(BreakerPolicy(), lambda: 0.5, told.append)
    for _ in range(5):
        breaker.failed(FREE, 0.0)
    breaker.failed(breaker.admit(10.0) or FREE, 10.0)
    breaker.succeeded(breaker.admit(30.0) or FREE, 30.0)
    assert told == [10.0, 0.0]


def test_a_held_breaker_lets_nothing_pass_until_it_is_released() -> None:
    """Though no call failed; and waiting does not help."""
    breaker = a_breaker()
    breaker.hold()
    assert (None, math.inf, State.OPEN) == (breaker.admit(1e6), breaker.open_s(1e6), breaker.state(1e6))
    breaker.release()
    assert (FREE, 0.0, State.CLOSED) == (breaker.admit(1e6), breaker.open_s(1e6), breaker.state(1e6))


def test_a_call_that_went_well_all_the_same_frees_it() -> None:
    """Also one that left before: whoever held it was wrong."""
    for ticket in (DESPITE, FREE):
        breaker = a_breaker()
        breaker.hold()
        breaker.succeeded(ticket, 5.0)
        assert (False, State.CLOSED, 5.0) == (breaker.held, breaker.state(5.0), breaker.proved)


def test_being_released_forgives_no_failures() -> None:
    """What calls have shown stands."""
    breaker = an_open_breaker()
    breaker.hold()
    breaker.release()
    assert State.OPEN is breaker.state(1.0)
