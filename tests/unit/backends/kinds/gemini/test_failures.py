"""Google's errors, where the fake does not make such."""

import json
from typing import Any

import pytest

from roundhouse.backends.kinds.gemini.failures import failure_in_stream, google_failure
from roundhouse.backends.wire.failures import KeyRefusedError
from roundhouse.core.errors import BackendError, LimitError, RoundhouseError, SchemaError, TooLargeError


def body(code: int, status: str, message: str, *details: dict[str, Any]) -> bytes:
    """An error as Google writes it."""
    return json.dumps(
        {"error": {"code": code, "message": message, "status": status, "details": list(details)}}
    ).encode()


@pytest.mark.parametrize(
    ("code", "status", "message", "kind"),
    [
        (400, "INVALID_ARGUMENT", "Unknown name", SchemaError),
        (400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", KeyRefusedError),
        (400, "INVALID_ARGUMENT", "API Key not found. Please pass a valid API key.", KeyRefusedError),
        (401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", KeyRefusedError),
        (403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers", KeyRefusedError),
        (403, "PERMISSION_DENIED", "You do not have permission to access tuned model x.", BackendError),
        (403, "PERMISSION_DENIED", "CachedContent not found (or permission denied)", SchemaError),
        (404, "NOT_FOUND", "models/x is not found for API version v1beta", BackendError),
        (413, "", "Request payload size exceeds the limit", TooLargeError),
        (499, "CANCELLED", "The operation was cancelled.", BackendError),
    ],
)
def test_the_status_alone_does_not_say_who_is_to_blame(
    code: int, status: str, message: str, kind: type[RoundhouseError]
) -> None:
    """A wrong request is wrong everywhere; anything else may work elsewhere, or with another key."""
    error = google_failure(code, {}, body(code, status, message))
    assert (kind, not issubclass(kind, SchemaError)) == (type(error), error.retryable)


def test_a_prompt_that_is_too_long_says_what_to_do() -> None:
    """With Google's numbers."""
    message = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    assert "ask for less" in str(google_failure(400, {}, body(400, "INVALID_ARGUMENT", message)).hint)


@pytest.mark.parametrize(
    ("headers", "delay", "expected"),
    [({}, "34.074824224s", 34.074824224), ({}, "7s", 7), ({}, "", None), ({"Retry-After": "5"}, "34s", 5)],
)
def test_how_long_to_wait(headers: dict[str, str], delay: str, expected: float | None) -> None:
    """A header comes before the body."""
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    error = google_failure(429, headers, body(429, "RESOURCE_EXHAUSTED", "wait", info))
    assert (LimitError, expected) == (type(error), error.retry_after_s)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize(
    "data",
    [b"", b"<html>Error 502 (Server Error)!!1</html>", b"[]", b'{"error":1}', b'{"error":{"details":{}}}', b"\xff"],
)
def test_a_proxy_may_answer_instead(status: int, data: bytes) -> None:
    """Then the status is all there is."""
    error = google_failure(status, {}, data)
    assert status == error.details["status"]


def test_an_error_without_a_code_is_a_failure() -> None:
    """Under HTTP 200 nothing else says what it is."""
    error = failure_in_stream(b'{"error":{"message":"oops"}}')
    assert (BackendError, "oops") == (type(error), error.message)


@pytest.mark.parametrize("delay", ["9" * 400 + "s", "90000s"])
def test_a_delay_that_nobody_waits_for_is_none(delay: str) -> None:
    """It would put the key to rest for good."""
    assert google_failure(429, {}, body(429, "RESOURCE_EXHAUSTED", "m", {"retryDelay": delay})).retry_after_s is None
