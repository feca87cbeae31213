import math

from roundhouse.serving.admission.limit import Limit


def test_nobody_limits_what_never_complained() -> None:
    """A cloud takes as many as come."""
    assert Limit().now == math.inf


def test_a_complaint_limits_to_less_than_what_was_under_way() -> None:
    """Seven tenths of it, and never less than one."""
    limit, alone = Limit(), Limit(4)
    limit.overloaded(20, 0.0)
    alone.overloaded(1, 0.0)
    assert (limit.now, alone.now) == (14.0, 1.0)


def test_complaints_of_one_moment_are_one() -> None:
    """Calls that left together are turned away together."""
    limit = Limit()
    for _ in range(20):
        limit.overloaded(20, 0.0)
    assert limit.now == 14.0


def after(limit: Limit, calls: int) -> float:
    """What *limit* is when so many calls at it have gone well."""
    for _ in range(calls):
        limit.succeeded(int(limit.now), 2.0)
    return limit.now


def test_what_went_well_before_is_soon_had_again() -> None:
    """By doubling after each round: 31 calls and not 760 from one to 20, and from there one by one again."""
    limit = Limit()
    limit.succeeded(20, 0.0)
    limit.overloaded(1, 0.0)
    assert [1.0, 2.0, 4.0, 8.0, 16.0, 20.0] == [limit.now, *(after(limit, calls) for calls in (1, 2, 4, 8, 16))]
    assert [20.0, 21.0] == [after(limit, 79), after(limit, 1)]


def test_what_was_too_many_is_not_what_went_well() -> None:
    """It is one less at most, though more went well an hour ago."""
    limit = Limit()
    limit.succeeded(100, 0.0)
    limit.overloaded(20, 0.0)
    assert (14.0, 19.0, 19.0) == (limit.now, after(limit, 14), after(limit, 75))


def test_it_grows_slowly_while_it_is_used() -> None:
    """By one after four rounds of calls at the limit that went well; fewer calls at a time prove nothing."""
    limit = Limit(4)
    limit.overloaded(3, 0.0)
    for _ in range(100):
        limit.succeeded(1, 2.0)
    unused = limit.now
    for _ in range(8):
        limit.succeeded(2, 2.0)
    assert (unused, limit.now) == (2.0, 3.0)


def test_it_never_grows_beyond_what_was_configured() -> None:
    """Whatever goes well."""
    limit = Limit(2)
    limit.overloaded(2, 0.0)
    for _ in range(100):
        limit.succeeded(2, 2.0)
    assert limit.now == 2.0


def test_a_learned_limit_is_forgotten() -> None:
    """Ten quiet minutes say that the rush is over."""
    limit = Limit()
    limit.overloaded(20, 0.0)
    limit.succeeded(1, 601.0)
    assert limit.now == math.inf
