import pytest

from roundhouse.core.errors import (
    AuthError,
    ForbiddenError,
    LicenseError,
    LimitError,
    NetworkError,
    NotFoundError,
    PolicyError,
    RoundhouseError,
)
from roundhouse.sources.refusals import refusal, retry_after_s


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (401, {"X-Error-Code": "GatedRepo"}, LicenseError),
        (403, {"X-Error-Code": "GatedRepo"}, LicenseError),
        (404, {"X-Error-Code": "RepoNotFound"}, NotFoundError),
        (401, {"X-Error-Code": "RepoNotFound"}, NotFoundError),
        (404, {"X-Error-Code": "RevisionNotFound"}, NotFoundError),
        (404, {"X-Error-Code": "EntryNotFound"}, NotFoundError),
        (403, {"X-Error-Message": "Access to this resource is disabled."}, PolicyError),
        (401, {"X-Error-Message": "Invalid credentials in Authorization header"}, AuthError),
        (401, {}, AuthError),
        (403, {}, ForbiddenError),
        (404, {}, NotFoundError),
        (410, {}, NotFoundError),
        (429, {}, LimitError),
        (500, {}, NetworkError),
        (503, {}, NetworkError),
        (418, {}, NetworkError),
    ],
)
def test_each_answer_has_its_error(status: int, headers: dict[str, str], expected: type[RoundhouseError]) -> None:
    """One table from what a server says to what the user reads."""
    assert expected is type(refusal(status, headers, "acme/tiny"))


@pytest.mark.parametrize(("status", "expected"), [(500, True), (408, True), (429, True), (418, False), (404, False)])
def test_only_what_may_change_is_tried_again(status: int, expected: bool) -> None:  # noqa: FBT001 (a table)
    """A server in trouble may recover; a wrong address stays wrong."""
    assert expected == refusal(status, {}, "acme/tiny").retryable


def test_a_signed_address_that_expired_is_asked_for_again() -> None:
    """There 403 means too late, not forbidden."""
    error = refusal(403, {}, "acme/tiny", signed=True)
    assert (NetworkError, True) == (type(error), error.retryable)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "Date": "Wed, 21 Oct 2026 07:28:30 GMT"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"Retry-After": "soon", "Date": "now"}, None),
        ({"Retry-After": "-5"}, None),
        ({"RateLimit": '"api";r=0;t=55'}, 55.0),
        ({}, None),
    ],
)
def test_the_time_to_wait_is_read_in_every_form(headers: dict[str, str], expected: float | None) -> None:
    """Seconds, a date against the server's own clock, or the hub's rate limit."""
    assert expected == retry_after_s(headers)
