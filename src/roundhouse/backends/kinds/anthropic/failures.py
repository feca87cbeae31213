"""What Anthropic says when it fails, as errors of ours. Knows nothing about sockets.

Traps: an account without credit is refused with 400, as if the request were wrong; after 200 there is no status, only
the type of the error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from roundhouse.backends.wire.failures import KeyRefusedError, error_in_stream, excerpt, failure
from roundhouse.backends.wire.fields import may_name
from roundhouse.core.errors import BackendError, DeadlineError, NotFoundError, RoundhouseError

#: What an error would have had as its status, had it come before the answer.
_STATUSES = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504,
    "overloaded_error": 529,
}  # fmt: skip
#: How it says with 400 that an account is out of money, which is nothing that the client did. Such a message begins
#: so; others may quote what the client wrote, who could have all keys refused.
_UNPAID = re.compile(
    r"your credit balance is too low|you have reached your (?:[a-z]+ ){0,4}usage limits?|"
    r"you(?:'ve| have) (?:hit|reached) your (?:[a-z]+ ){0,3}spend limit",
    re.IGNORECASE,
)


class _Error(msgspec.Struct):
    type: str = ""


class _Failed(msgspec.Struct):
    error: _Error


def read_failure(status: int, headers: Mapping[str, str], data: bytes) -> RoundhouseError:
    """The error behind an answer whose *status* is not 200. A key whose account is out of money is a key refused."""
    error = failure(status, headers, data)
    if status == HTTPStatus.GATEWAY_TIMEOUT:
        return DeadlineError(error.message, hint="ask for less, or stream the answer", details=error.details)
    if status == HTTPStatus.PAYMENT_REQUIRED or (status == HTTPStatus.BAD_REQUEST and _UNPAID.match(error.message)):
        return KeyRefusedError(error.message, hint="see the billing page of this account", details=error.details)
    # There is nothing that can be missing but the model, which another backend may have.
    return BackendError(error.message, details=error.details) if isinstance(error, NotFoundError) else error


def error_of(data: bytes) -> RoundhouseError:
    """The error in *data*, which has no status of its own."""
    try:
        status = _STATUSES.get(msgspec.json.decode(data, type=_Failed).error.type)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        status = None
    return error_in_stream(data) if status is None else read_failure(status, {}, data)


def instead_of_stream(data: bytes) -> RoundhouseError:
    """What is said of JSON where a stream was asked for: mostly it is an error."""
    if may_name(data, b"error"):
        return error_of(data)
    message = f"it answered in one piece although a stream was asked for: {excerpt(data)}"
    return BackendError(message)


def not_understood(data: bytes, error: Exception) -> BackendError:
    """What is said of bytes that nobody can read."""
    message = f"that is not what Anthropic answers ({error}): {excerpt(data)}"
    return BackendError(message)
