"""From what a server answers instead of bytes to an error of ours: the one table. Knows nothing about who asked."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

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

TOKEN_HINT = "set HF_TOKEN to a token that may read it, or log in with `hf auth login`, if it is private"  # noqa: S105 (advice, not a token)
_WORTH_ANOTHER_TRY = {408, 409, 425, 500, 502, 503, 504}
_GONE = {404, 410}


def refusal(status: int, headers: Mapping[str, str], what: str, *, signed: bool = False) -> RoundhouseError:
    """The error that *status* means for *what*; *signed* addresses expire, so 403 there is no verdict."""
    if (known := _by_code(headers.get("X-Error-Code"), headers, what)) is not None:
        return known
    if status == 429:  # noqa: PLR2004 (too many requests)
        message = f"{what}: the source allows no more requests for now"
        return LimitError(message, retry_after_s=retry_after_s(headers))
    if status in _WORTH_ANOTHER_TRY or (signed and status in {401, 403}):
        message = f"{what}: the source answered {status}"
        return NetworkError(message, retry_after_s=retry_after_s(headers))
    return _by_status(status, headers, what)


def _by_code(code: str | None, headers: Mapping[str, str], what: str) -> RoundhouseError | None:
    """What a hub says in its own words."""
    if code == "GatedRepo":
        message = f"{what} is gated: its owner has not let you in"
        hint = "accept its terms on its page, then set HF_TOKEN to a token of that account"
        return LicenseError(message, hint=hint)
    if code in {"RepoNotFound", "RevisionNotFound", "EntryNotFound"}:
        missing = {"RevisionNotFound": "revision", "EntryNotFound": "file"}.get(code, "repository")
        message = f"{what}: no such {missing}"
        return NotFoundError(message, hint=TOKEN_HINT if missing == "repository" else None)
    if headers.get("X-Error-Message") == "Access to this resource is disabled.":
        message = f"{what} has been disabled by the hub"
        return PolicyError(message)
    return None


def _by_status(status: int, headers: Mapping[str, str], what: str) -> RoundhouseError:
    if status == 401:  # noqa: PLR2004 (not known)
        if headers.get("X-Error-Message") == "Invalid credentials in Authorization header":
            message = f"{what}: the source does not know the token"
            return AuthError(message, hint="check HF_TOKEN, or where downloads.token_from takes it from")
        message = f"{what} does not exist, or is private"
        return AuthError(message, hint=TOKEN_HINT)
    if status == 403:  # noqa: PLR2004 (known, not allowed)
        message = f"{what}: the source does not allow it"
        return ForbiddenError(message)
    if status in _GONE:
        message = f"{what}: no such thing there"
        return NotFoundError(message)
    message = f"{what}: the source answered {status}"
    return NetworkError(message, retryable=False)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that the source asks us to wait, from ``Retry-After`` (seconds or a date) or ``RateLimit``."""
    asked = headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return float(asked)
    if asked and "Date" in headers:
        # Against the source's own clock: ours may be wrong.
        try:
            waited = parsedate_to_datetime(asked) - parsedate_to_datetime(headers["Date"])
        except ValueError:
            return None
        return max(0.0, waited.total_seconds())
    for field in headers.get("RateLimit", "").split(";"):
        name, _, value = field.strip().partition("=")
        if name == "t" and value.isdecimal():
            return float(value)
    return None
