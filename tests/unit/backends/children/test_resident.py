import pytest

from roundhouse.backends.children.resident import Lease, Resident, State
from roundhouse.core.errors import BackendError


async def no_lease() -> Lease:
    """Nobody loads it here."""
    raise NotImplementedError


@pytest.fixture
def resident() -> Resident:
    """A model that was never loaded."""
    return Resident("m", no_lease)


def test_the_first_failure_is_forgiven(resident: Resident) -> None:
    """A crash costs the requests that were in it, not the next one."""
    resident.failed("killed by SIGSEGV", now=100.0)
    resident.check_backoff(now=100.0)


def test_repeated_failures_are_left_alone(resident: Resident) -> None:
    """Longer each time, and the reason is told at once instead of loading again."""
    for _ in range(3):
        resident.failed("killed by SIGSEGV", now=100.0)
    with pytest.raises(BackendError, match="SIGSEGV") as caught:
        resident.check_backoff(now=100.25)
    assert 0.75 == caught.value.retry_after_s
    resident.check_backoff(now=101.0)


def test_the_wait_has_an_end(resident: Resident) -> None:
    """However often it failed, it is tried again after half a minute."""
    for _ in range(5000):
        resident.failed("killed", now=0.0)
    resident.check_backoff(now=30.0)


def test_one_answer_makes_good(resident: Resident) -> None:
    """What went wrong before it does not count any more."""
    for _ in range(3):
        resident.failed("killed", now=100.0)
    resident.succeeded()
    resident.failed("killed", now=100.0)
    resident.check_backoff(now=100.0)


@pytest.mark.parametrize(
    ("state", "serving", "expected"),
    [(State.READY, 0, 0), (State.READY, 2, 2), (State.STARTING, 0, 1), (State.STOPPING, 0, 1)],
)
def test_one_that_comes_or_goes_cannot_be_sent_away(
    resident: Resident, state: State, serving: int, expected: int
) -> None:
    """It counts as busy."""
    resident.state, resident.serving = state, serving
    assert expected == resident.tenant.serving
