"""What providers say of their limits in headers."""

import pytest

from roundhouse.backends.wire.failures import failure
from roundhouse.backends.wire.limits import seconds_of
from roundhouse.core.errors import LimitError

USED_UP = {"X-RateLimit-Remaining-Requests": "0", "X-RateLimit-Reset-Requests": "6m0s"}


@pytest.mark.parametrize(
    ("text", "seconds"), [("6m0s", 360), ("20ms", 0.02), ("1h2m3.5s", 3723.5), ("1700000000", None), ("", None)]
)
def test_spans_are_seconds(text: str, seconds: float | None) -> None:
    """A bare number may be a date, so it tells nothing."""
    assert seconds == seconds_of(text)


def test_what_is_used_up_says_how_long_to_wait() -> None:
    """When there is no Retry-After."""
    error = failure(429, {**USED_UP, "x-ratelimit-reset-tokens": "9h", "x-ratelimit-remaining-tokens": "5"}, b"")
    assert isinstance(error, LimitError)
    assert 360 == error.retry_after_s


def test_retry_after_is_believed_first() -> None:
    """It is the provider's own conclusion."""
    assert 2 == failure(429, {**USED_UP, "Retry-After": "2"}, b"").retry_after_s


def test_limits_are_in_the_details() -> None:
    """So that people see which one it was."""
    limits = failure(429, USED_UP, b"").details["limits"]
    assert {"remaining-requests": "0", "reset-requests": "6m0s"} == limits
