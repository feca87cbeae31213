"""What providers say of their limits in headers."""

import pytest

from roundhouse.backends.wire.failures import failure
from roundhouse.backends.wire.limits import seconds_of, spent_s
from roundhouse.core.errors import LimitError

USED_UP = {"X-RateLimit-Remaining-Requests": "0", "X-RateLimit-Reset-Requests": "6m0s"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6m0s", 360), ("20ms", 0.02), ("1h2m3.5s", 3723.5), ("1700000000", None), ("", None), ("25h", None)],
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


ANTHROPIC = {
    "Date": "Sat, 21 Nov 2026 12:00:00 GMT",
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:01Z",
    "anthropic-ratelimit-input-tokens-remaining": "0",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-21T12:00:42.5Z",
}


def test_anthropic_names_and_hours_become_the_same() -> None:
    """An hour is read against the provider's own clock."""
    error = failure(429, ANTHROPIC, b"")
    limits = error.details["limits"]
    assert isinstance(limits, dict)
    assert ("49", "0", "42.5s") == tuple(
        limits[name] for name in ("remaining-requests", "remaining-input-tokens", "reset-input-tokens")
    )
    assert 42.5 == error.retry_after_s


@pytest.mark.parametrize("date", ["", "yesterday", "Sat, 21 Nov 2026 12:00:00"])
def test_an_hour_without_a_clock_tells_nothing(date: str) -> None:
    """It stays as it is, and nobody waits for it."""
    error = failure(429, {**ANTHROPIC, "Date": date}, b"")
    assert error.retry_after_s is None


def test_an_hour_that_is_over_is_no_wait() -> None:
    """Never less than nothing."""
    late = {**ANTHROPIC, "Date": "Sat, 21 Nov 2026 13:00:00 GMT"}
    assert 0 == failure(429, late, b"").retry_after_s


@pytest.mark.parametrize("value", ["1e9", "9999999999999999-01-01T00:00:00Z", "2026-11-21T12:00:42", "\ud800", ""])
def test_hours_of_others_are_left_alone(value: str) -> None:
    """Whatever somebody writes there."""
    limits = failure(429, {**ANTHROPIC, "anthropic-ratelimit-x-reset": value}, b"").details["limits"]
    assert isinstance(limits, dict)
    assert value == limits["reset-x"]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (USED_UP, 360),
        ({**USED_UP, "X-RateLimit-Remaining-Requests": "1"}, None),
        (ANTHROPIC, 42.5),
        ({"age": "0"}, None),
    ],
)
def test_an_answer_says_what_it_has_used_up(headers: dict[str, str], seconds: float | None) -> None:
    """Though it is no failure."""
    assert seconds == spent_s(headers)
