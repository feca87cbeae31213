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
from roundhouse.backends.wire.secrets import HIDDEN
from roundhouse.core.errors import (
    BackendError,
    LimitError,
    NotFoundError,
    RoundhouseError,
    SchemaError,
    TooLargeError,
)

_EXCERPT = 400
_HIGHEST_CODE = 1 << 53
#: The statuses of failures as a body tells them.
_TOLD = {told: status for status in range(400, 600) for told in (status, str(status))}
_KEY_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_REQUEST_REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)
_SECRET = re.compile(r"\b(?:(?:sk|rh|hf|gsk|xai|pk)[-_]|AIza)[^\s\"'<>,;&(){}\[\]\\]{8,}|(?<=[?&]key=)[^&\s\"']+")
#: How backends say that they do not know a model, when the status alone does not: by a name, and by how a message
#: begins. Further on it may quote what the client wrote. LiteLLM puts its own words into one of Python's dicts.
_UNKNOWN_MODEL = frozenset({"model_not_found", "invalid_model"})
_NO_SUCH_MODEL = re.compile(
    r"(?:400: )?(?:\{'error': ['\"])?(?:[\w/]{1,40}: )?Invalid model name passed in\b|"
    r"(?:the )?model:? (?:[`'\"][^`'\"]{1,256}[`'\"] |[^\s`'\"]{1,256} )?"
    r"(?:is |was )?(?:not found|does not exist|unknown)\b",
    re.IGNORECASE,
)
#: How backends say that a prompt does not fit: llama.cpp, then OpenAI and vLLM, then those that have no code for it.
_TOO_LONG = re.compile(
    r"exceed_context_size|context_length_exceeded|maximum (context|model) length|available context size|"
    r"(prompt|input) is too long",
    re.IGNORECASE,
)
_LESS = "ask for less, or choose a model with a larger context"

#: How LiteLLM, Google and others say with 400 that they do not know a key. By its name alone: a message may quote what
#: the client wrote, who could have all keys refused.
_UNKNOWN_KEY = frozenset({"no_db_connection", "invalid_api_key", "api_key_invalid"})
_MOST_REASONS = 16


#: Makes an error of ours of a status that is no success, its headers and its body.
Failure = Callable[[int, Mapping[str, str], bytes], RoundhouseError]


class KeyRefusedError(BackendError):
    """The backend refuses the key."""

    hint = "check the key of this backend in the configuration"


class _Error(msgspec.Struct):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    #: Google's, one of each detail.
    reasons: tuple[str, ...] = ()
    #: OpenRouter's, which says so with 403: its moderation does not like what was sent, with whichever key.
    is_flagged: bool = False

    def names(self) -> frozenset[str]:
        """What it calls itself. No client can write there."""
        return frozenset(name.lower() for name in (self.type, self.code, *self.reasons) if isinstance(name, str))

    def is_of_key(self, status: int) -> bool:
        """Whether it says that the key is refused, or that nobody knows it."""
        if status == HTTPStatus.BAD_REQUEST:
            return not self.names().isdisjoint(_UNKNOWN_KEY)
        return status in _KEY_REFUSED and not self.is_flagged

    def is_of_model(self) -> bool:
        """Whether it says that nobody knows the model."""
        return not self.names().isdisjoint(_UNKNOWN_MODEL) or _NO_SUCH_MODEL.match(self.message or "") is not None


def excerpt(data: bytes) -> str:
    """The beginning of *data*, fit for a message: short, one line, without what looks like a key.

    Our own keys are taken out by `secrets.hide`, which relies on the ``…`` where something was cut.
    """
    text = " ".join(data[: 4 * _EXCERPT].decode("utf-8", "replace").split())
    text = _SECRET.sub(HIDDEN, "".join(char if char.isprintable() else "?" for char in text))
    is_whole = len(text) <= _EXCERPT and len(data) <= 4 * _EXCERPT
    return text if is_whole else text[:_EXCERPT] + HIDDEN


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
    if status == HTTPStatus.PAYMENT_REQUIRED:
        message = f"its account has no credit left: {message}"
        return KeyRefusedError(message, hint="add credit there, or use another key", details=details)
    if error.is_of_key(status):
        message = f"the key is refused: {message}"
        return KeyRefusedError(message, details=details)
    if status == HTTPStatus.NOT_FOUND:
        return _not_found(error, message, details)
    if error.is_flagged or (status in _REQUEST_REFUSED and not error.is_of_model()):
        about = f"{error.type} {error.code} {message}"
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
    if error.type is not None and not error.is_of_model():
        return NotFoundError(message, details=details)
    return BackendError(message, details=details)


def _details(status: int | None, error: _Error) -> dict[str, object]:
    named = {"status": status, "upstream_type": error.type, "upstream_code": error.code}
    return {key: value for key, value in named.items() if value is not None}


def _parse(data: bytes) -> _Error:
    """The error object, wherever it is: under ``error`` (object or text), at the top, as ``detail``, or in a list."""
    try:
        said = msgspec.json.decode(data, type=dict[str, object] | list[dict[str, object]])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _Error(message=excerpt(data) or None)
    body = said if isinstance(said, dict) else (said or [{}])[0]
    found = body.get("error") or body.get("detail") or body
    if isinstance(found, str):
        return _Error(message=_clean(found))
    if not isinstance(found, dict) or not isinstance(found.get("message"), str):
        return _Error(message=excerpt(data))
    kind, code = found.get("type"), found.get("code")
    return _Error(
        message=_clean(found["message"]),
        type=_clean(kind) if isinstance(kind, str) else None,
        code=_clean(code) if isinstance(code, str) else _number(code),
        reasons=_reasons(found.get("details")),
        is_flagged="flagged_input" in metadata if isinstance(metadata := found.get("metadata"), dict) else False,
    )


def _number(code: object) -> int | None:
    """A code that is a number; ``None`` when no server counts so far."""
    return code if isinstance(code, int) and abs(code) <= _HIGHEST_CODE else None


def _reasons(details: object) -> tuple[str, ...]:
    """Why it failed in Google's words for programs (``google.rpc.ErrorInfo``)."""
    if not isinstance(details, list):
        return ()
    reasons = [each.get("reason") for each in details[:_MOST_REASONS] if isinstance(each, dict)]
    return tuple(reason for reason in reasons if isinstance(reason, str))


def _clean(text: str) -> str:
    return excerpt(text.encode("utf-8", "replace"))
