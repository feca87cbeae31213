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
