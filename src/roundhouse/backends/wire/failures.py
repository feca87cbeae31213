"""What a backend says when it fails, as errors of ours. Knows nothing about sockets.

Whether an error may be tried elsewhere is decided here: not when the request itself is wrong, for it would be
wrong everywhere; yes when this backend is out of order, out of credit, or does not have the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import msgspec

from roundhouse.backends.wire import figures
from roundhouse.backends.wire.limits import limits_of, wait_of
from roundhouse.core.errors import (
    BackendError,
    LimitError,
    NotFoundError,
    RoundhouseError,
    SchemaError,
    TooLargeError,
)

_EXCERPT = 400
#: The statuses of failures as a body tells them.
_TOLD = {told: status for status in range(400, 600) for told in (status, str(status))}
_KEY_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_REQUEST_REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)
_SECRET = re.compile(r"\b(?:(?:sk|rh|hf|gsk|xai|pk)[-_]|AIza)[A-Za-z0-9_\-*.]{8,}|(?<=[?&]key=)[^&\s\"']+")
#: How backends say that they do not know a model, when the status alone does not.
_UNKNOWN_MODEL = re.compile(
    r"model_not_found|invalid model name|model\b.{0,120}\b(not found|does not exist|unknown)", re.IGNORECASE | re.DOTALL
)
#: How backends say that a prompt does not fit: llama.cpp, then OpenAI and vLLM, then those that have no code for it.
_TOO_LONG = re.compile(
    r"exceed_context_size|context_length_exceeded|maximum (context|model) length|available context size|"
    r"(prompt|input) is too long",
    re.IGNORECASE,
)
_LESS = "ask for less, or choose a model with a larger context"

#: How LiteLLM and Google say that they do not know a key: with 400.
_UNKNOWN_KEY = re.compile(r"no_db_connection|api.key not valid|invalid.api.key", re.IGNORECASE)


#: Makes an error of ours of a status that is no success, its headers and its body.
Failure = Callable[[int, Mapping[str, str], bytes], RoundhouseError]


class KeyRefusedError(BackendError):
    """The backend refuses the key."""

    hint = "check the key of this backend in the configuration"


class _Error(msgspec.Struct):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None


def excerpt(data: bytes) -> str:
    """The beginning of *data*, fit for a message: short, one line, without keys."""
    text = " ".join(data[: 4 * _EXCERPT].decode("utf-8", "replace").split())
    text = _SECRET.sub("…", "".join(char if char.isprintable() else "?" for char in text))
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…"


def error_in_stream(data: bytes) -> RoundhouseError:
    """The error in the body of a 200: after the status, the code inside is all there is to go by."""
    error = _parse(data)
    status = None if error.code is None else _TOLD.get(error.code)
    if status is not None:
        return failure(status, {}, data)
    return BackendError(error.message, details=_details(None, error))


def failure(status: int, headers: Mapping[str, str], data: bytes) -> RoundhouseError:
    """The error behind an answer whose *status* is not 200."""
    error = _parse(data)
    message = error.message or f"HTTP {status}"
    details = _details(status, error)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        limits = limits_of(headers)
        wait_s = retry_after(headers)
        details |= {"limits": limits} if limits else {}
        return LimitError(message, retry_after_s=wait_of(limits) if wait_s is None else wait_s, details=details)
    about = f"{error.type} {error.code} {message}"
    if status == HTTPStatus.PAYMENT_REQUIRED:
        message = f"its account has no credit left: {message}"
        return KeyRefusedError(message, hint="add credit there, or use another key", details=details)
    if status in _KEY_REFUSED or (status == HTTPStatus.BAD_REQUEST and _UNKNOWN_KEY.search(about)):
        message = f"the key is refused: {message}"
        return KeyRefusedError(message, details=details)
    if status == HTTPStatus.NOT_FOUND:
        return _not_found(error, message, details)
    if status in _REQUEST_REFUSED and not _UNKNOWN_MODEL.search(about):
        return (TooLargeError if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else SchemaError)(
            message, hint=_LESS if _TOO_LONG.search(about) else None, details=details
        )
    if status in range(300, 400):
        message = f"HTTP {status}: it redirects, which is not followed because the key would go along"
    return BackendError(message, retry_after_s=retry_after(headers), details=details)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the backend says; a date is read against the backend's own clock.

    ``None`` when it says nothing, or what nobody would wait for.
    """
    headers = {name.lower(): value for name, value in headers.items()}
    milliseconds, text = headers.get("retry-after-ms"), headers.get("retry-after", "").strip()
    try:
        if milliseconds is not None:
            return figures.seconds(float(milliseconds) / 1e3)
        if text.replace(".", "", 1).isdigit():
            return figures.seconds(float(text))
        if text:
            wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))
            return figures.seconds(max(0.0, wait.total_seconds()))
    except (ValueError, TypeError, OverflowError):
        pass
    return None


def _not_found(error: _Error, message: str, details: dict[str, object]) -> RoundhouseError:
    """Nearly always this backend lacks the model or the route, and another may have it."""
    if error.type is not None and not _UNKNOWN_MODEL.search(f"{error.code} {message}"):
        return NotFoundError(message, details=details)
    return BackendError(message, details=details)


def _details(status: int | None, error: _Error) -> dict[str, object]:
    named = {"status": status, "upstream_type": error.type, "upstream_code": error.code}
    return {key: value for key, value in named.items() if value is not None}


def _parse(data: bytes) -> _Error:
    """The error object, wherever it is: under ``error`` (object or text), at the top, or as ``detail``."""
    try:
        body = msgspec.json.decode(data, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _Error(message=excerpt(data) or None)
    found = body.get("error") or body.get("detail") or body
    if isinstance(found, str):
        return _Error(message=_clean(found))
    if not isinstance(found, dict) or not isinstance(found.get("message"), str):
        return _Error(message=excerpt(data))
    kind, code = found.get("type"), found.get("code")
    return _Error(
        message=_clean(found["message"]),
        type=kind if isinstance(kind, str) else None,
        code=code if isinstance(code, str | int) else None,
    )


def _clean(text: str) -> str:
    return excerpt(text.encode("utf-8", "replace"))
