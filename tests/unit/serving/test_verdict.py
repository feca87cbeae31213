import asyncio

import pytest

from roundhouse.core.errors import AuthError, BackendError, CapacityError, DeadlineError, LimitError, NetworkError
from roundhouse.health.standing import Standing, Standings
from roundhouse.serving.verdict import blame, is_overload, outcome_of


def standing_after(error: BaseException, *, lasted_s: float = 1.0, times: int = 5) -> Standing:
    """How a deployment stands after *error* ended so many calls."""
    standing = Standings(lambda: 0.5).of("a/m", "a")
    for _ in range(times):
        permit = standing.admit(0.0, despite_breaker=True)
        assert permit
        blame(permit, error, 0.0, lasted_s)
    return standing


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (BackendError(), "E_BACKEND"),
        (asyncio.CancelledError(), "client_closed"),
        (GeneratorExit(), "client_closed"),
        (ValueError(), "E_INTERNAL"),
    ],
)
def test_every_end_has_a_name(error: BaseException | None, outcome: str) -> None:
    """The record's outcome is ok, client_closed or a code."""
    assert outcome_of(error) == outcome


@pytest.mark.parametrize("error", [BackendError(), NetworkError()])
def test_failures_open_the_breaker(error: BaseException) -> None:
    """What the deployment is to blame for counts."""
    assert standing_after(error).breaker.open_s(0.0) == 10.0


@pytest.mark.parametrize("error", [AuthError(), LimitError(), CapacityError(), asyncio.CancelledError()])
def test_what_the_deployment_is_not_to_blame_for_does_not(error: BaseException) -> None:
    """Wrong requests, limits and clients that leave never count."""
    assert standing_after(error).open_s(0.0) == 0.0


def test_only_an_unreachable_backend_is_blamed_as_a_whole() -> None:
    """An answer, even a bad one, shows that the backend is there."""
    reached, away = standing_after(BackendError()), standing_after(NetworkError())
    assert (reached.backend_breaker.open_s(0.0), away.backend_breaker.open_s(0.0)) == (0.0, 10.0)


@pytest.mark.parametrize(("lasted_s", "open_s"), [(29.9, 0.0), (30.0, 10.0)])
def test_a_missed_deadline_counts_if_there_was_time(lasted_s: float, open_s: float) -> None:
    """Short deadlines say more about the caller."""
    assert standing_after(DeadlineError(), lasted_s=lasted_s).open_s(0.0) == open_s


@pytest.mark.parametrize(("retry_after_s", "cooling_s"), [(None, 5.0), (0.0, 0.0), (12.0, 12.0)])
def test_a_limit_cools_down_for_as_long_as_it_says(retry_after_s: float | None, cooling_s: float) -> None:
    """Without a word on how long, for a few seconds."""
    assert standing_after(LimitError(retry_after_s=retry_after_s), times=1).cooling_s(0.0) == cooling_s


@pytest.mark.parametrize(
    ("error", "local", "is_too_much"),
    [
        (LimitError(), False, True),
        (LimitError(retry_after_s=0.0), False, False),
        (LimitError(details={"limits": {"remaining-tokens": "0"}}), False, False),
        (LimitError(retry_after_s=5.0, details={"limits": {"remaining-tokens": "0"}}), True, True),
        (LimitError(retry_after_s=5.0, details={"status": 503}), False, True),
        (BackendError(retry_after_s=5.0, details={"status": 503}), False, True),
        (BackendError(details={"status": 529}), False, True),
        (BackendError(details={"status": 500}), True, False),
        (NetworkError(), True, False),
    ],
)
def test_a_quota_is_no_overload(error: BaseException, local: bool, is_too_much: bool) -> None:  # noqa: FBT001 - the table
    """A cloud that says when to come again wants fewer calls per minute, not fewer at a time."""
    assert is_too_much == is_overload(error, local=local)
