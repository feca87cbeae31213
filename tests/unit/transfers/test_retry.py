import pytest

from roundhouse.core.errors import LimitError, NetworkError, NotFoundError
from roundhouse.transfers.retry import Patience, persist

CUT = NetworkError("cut")


@pytest.mark.parametrize(("failures", "expected"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0)])
def test_the_longest_wait_doubles_up_to_the_cap(failures: int, expected: float) -> None:
    """With the most jitter the wait is the base times a power of two."""
    assert expected == Patience(base_s=1.0, cap_s=5.0).delay_s(CUT, failures, 1.0)


def test_the_shortest_wait_is_none_at_all() -> None:
    """Full jitter reaches down to zero, so that crowds spread out."""
    assert Patience().delay_s(CUT, 3, 0.0) == 0.0


def test_patience_ends_after_its_tries() -> None:
    """The last failure is not followed by a wait."""
    assert Patience(tries=3).delay_s(CUT, 3, 0.5) is None


def test_an_error_that_stays_is_not_tried_again() -> None:
    """What is not retryable ends patience at once."""
    assert Patience().delay_s(NotFoundError("gone"), 1, 0.5) is None


def test_a_source_that_names_a_time_is_believed() -> None:
    """Retry-After is waited out before our own jitter."""
    assert Patience(base_s=1.0).delay_s(LimitError("slow down", retry_after_s=20.0), 1, 0.5) == 20.5


def test_an_absurd_time_ends_patience() -> None:
    """Nobody waits a thousand million seconds."""
    assert Patience().delay_s(LimitError("slow down", retry_after_s=1e9), 1, 0.5) is None


def test_even_absurdly_many_failures_have_a_wait() -> None:
    """The exponent is bounded."""
    assert Patience(tries=5000, cap_s=7.0).delay_s(CUT, 4000, 1.0) == 7.0


async def test_persisting_returns_the_first_success() -> None:
    """Failures before it are forgotten."""
    left = [CUT, CUT]

    async def attempt() -> str:
        if left:
            raise left.pop()
        return "here"

    assert await persist(attempt, Patience(base_s=0.0)) == "here"


async def test_persisting_raises_the_last_error() -> None:
    """When patience has ended the caller learns why."""

    async def attempt() -> str:
        raise CUT

    with pytest.raises(NetworkError, match="cut"):
        await persist(attempt, Patience(tries=2, base_s=0.0))
