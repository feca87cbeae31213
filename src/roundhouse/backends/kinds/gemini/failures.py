"""What Google says when it fails (``google.rpc.Status``), as errors of ours. Pure; knows nothing about sockets.

Traps: a key that it does not know is a 400, and one without credit a 402; a 403 may be about a file rather than the
key; how long to wait stands in the body; and an error may come inside a list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from roundhouse.backends.wire.failures import KeyRefusedError, excerpt, failure, retry_after
from roundhouse.backends.wire.limits import seconds_of
from roundhouse.core.errors import BackendError, DeadlineError, LimitError, RoundhouseError, SchemaError

_MOST_LIMITS, _LONGEST_LIMIT = 16, 96
_FAILURES = range(400, 600)
#: Permission that is denied for something that the request named; the key itself is fine.
_ABOUT_A_THING = re.compile(r"\b(?:file|cached ?content)\b", re.IGNORECASE)
_TUNED = re.compile(r"\btuned ?model", re.IGNORECASE)
#: Google's reason for it, and how such a message begins: further on it may quote what the client wrote.
_BAD_KEY, _NO_KEY = "API_KEY_INVALID", re.compile(r"API key (?:not (?:valid|found)|expired)\. ", re.IGNORECASE)
_TOO_LONG = re.compile(r"exceeds the maximum number of tokens", re.IGNORECASE)


class _Violation(msgspec.Struct):
    quotaId: str = ""  # noqa: N815 - Google's name
    quotaValue: str | int = ""  # noqa: N815


class _Detail(msgspec.Struct):
    reason: str = ""
    retryDelay: str = ""  # noqa: N815
    violations: list[_Violation] = []


class _Status(msgspec.Struct):
    code: int | None = None
    message: str = ""
    status: str = ""
    details: list[_Detail] = []


class _Failed(msgspec.Struct):
    error: _Status


_failed = msgspec.json.Decoder(_Failed | list[_Failed]).decode


def google_failure(status: int, headers: Mapping[str, str], data: bytes) -> RoundhouseError:
    """The error behind an answer whose *status* is not 200."""
    said = _read(data)
    if said is None or status not in _FAILURES:
        return failure(status, headers, data)
    message = excerpt(said.message.encode("utf-8", "replace")) or f"HTTP {status}"
    details: dict[str, object] = {"status": status}
    if said.status:
        details["upstream_type"] = excerpt(said.status.encode("utf-8", "replace"))
    wait_s = retry_after(headers)
    wait_s = _delay(said) if wait_s is None else wait_s
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        limits = _limits(said)
        return LimitError(message, retry_after_s=wait_s, details={**details, "limits": limits} if limits else details)
    found = _of_the_key(status, said, message, details) or _of_the_request(status, said, message, details)
    if found is not None:
        return found
    if status == HTTPStatus.GATEWAY_TIMEOUT:
        return DeadlineError(message, retry_after_s=wait_s, details=details)
    return BackendError(message, retry_after_s=wait_s, details=details)


def failure_in_stream(data: bytes) -> RoundhouseError:
    """The error in the body of a 200: the code inside is all there is to go by."""
    said = _read(data)
    if said is not None and said.code is not None and said.code in _FAILURES:
        return google_failure(said.code, {}, data)
    return BackendError(excerpt(said.message.encode("utf-8", "replace")) if said and said.message else excerpt(data))


def _of_the_key(status: int, said: _Status, message: str, details: dict[str, object]) -> RoundhouseError | None:
    """The refusal of our key, or of whose it is."""
    if status == HTTPStatus.PAYMENT_REQUIRED:
        hint = "add credit to the account of this key"
        return KeyRefusedError(f"the account of the key has no credit left: {message}", hint=hint, details=details)
    if status == HTTPStatus.BAD_REQUEST and said.status == "FAILED_PRECONDITION":
        hint = "Google does not serve this region without billing: enable it for the key's project"
        return BackendError(message, hint=hint, details=details)
    if status == HTTPStatus.FORBIDDEN and _TUNED.search(message):
        return BackendError(message, details=details)
    refused = status == HTTPStatus.UNAUTHORIZED or (
        status == HTTPStatus.FORBIDDEN and not _ABOUT_A_THING.search(message)
    )
    is_unknown = any(detail.reason == _BAD_KEY for detail in said.details) or _NO_KEY.match(message)
    if refused or (status == HTTPStatus.BAD_REQUEST and is_unknown):
        return KeyRefusedError(f"the key is refused: {message}", details=details)
    return None


def _of_the_request(status: int, said: _Status, message: str, details: dict[str, object]) -> RoundhouseError | None:
    """What would be wrong with any key."""
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return failure(status, {}, msgspec.json.encode({"error": {"message": said.message}}))
    if status == HTTPStatus.BAD_REQUEST:
        hint = "ask for less, or choose a model with a larger context" if _TOO_LONG.search(message) else None
        return SchemaError(message, hint=hint, details=details)
    if status == HTTPStatus.FORBIDDEN:
        return SchemaError(message, hint="a file must belong to the same project as the key", details=details)
    return None


def _read(data: bytes) -> _Status | None:
    try:
        found: _Failed | list[_Failed] = _failed(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if isinstance(found, list):
        return found[0].error if found else None
    return found.error


def _delay(said: _Status) -> float | None:
    """Seconds to wait: ``retryDelay`` is ``34s`` or ``34.074824224s``."""
    waits = [seconds_of(detail.retryDelay) for detail in said.details]
    return max((wait for wait in waits if wait is not None), default=None)


def _limits(said: _Status) -> dict[str, str]:
    """The quotas that were exceeded, by name; a few, because others write them."""
    named = {each.quotaId: str(each.quotaValue) for detail in said.details for each in detail.violations}
    short = [(name, value) for name, value in named.items() if name and len(name) + len(value) <= _LONGEST_LIMIT]
    return dict(short[:_MOST_LIMITS])
