"""An error as OpenAI's clients expect it, the same before and after the answer has begun. Knows no dialect but that."""

from __future__ import annotations

import json
import math

from roundhouse.core.errors import AuthError, BackendError, MethodError, NetworkError, RoundhouseError

_UPSTREAM = (BackendError, NetworkError)


def envelope(error: RoundhouseError, request_id: str) -> bytes:
    """The JSON object that tells *error*: OpenAI's four fields, and what helps to go on."""
    details = dict(error.details)
    content: dict[str, object] = {
        "message": error.message,
        "type": error.kind,
        "param": details.pop("param", None),
        "code": error.code,
        "hint": error.hint,
        "source": "upstream" if isinstance(error, _UPSTREAM) else "roundhouse",
        "request_id": request_id,
    }
    if details:
        content["details"] = details
    # ASCII only: a message may quote a lone surrogate that somebody sent, and UTF-8 has no place for it.
    return json.dumps({"error": content}, ensure_ascii=True, separators=(",", ":"), default=str).encode("ascii")


def of_waiting(position: int | None, eta_s: float | None) -> list[tuple[bytes, bytes]]:
    """The place in the queue, and the seconds that it takes, as far as they are known."""
    found: list[tuple[bytes, bytes]] = []
    if position is not None:
        found.append((b"x-roundhouse-queue-position", b"%d" % position))
    if eta_s is not None:
        found.append((b"x-roundhouse-eta-s", b"%d" % math.ceil(eta_s)))
    return found


def headers(error: RoundhouseError) -> list[tuple[bytes, bytes]]:
    """What an HTTP client should know besides the body.

    Everything that could be tried has been tried here, so a client that tries again only multiplies the load:
    ``x-should-retry: false``, except where waiting helps, and then it says for how long.
    """
    found: list[tuple[bytes, bytes]] = []
    if error.retry_after_s is not None:
        found.append((b"retry-after", b"%d" % max(0, math.ceil(error.retry_after_s))))
    else:
        found.append((b"x-should-retry", b"false"))
    position, eta_s = error.details.get("position"), error.details.get("eta_s")
    if isinstance(position, int):
        found += of_waiting(position, eta_s if isinstance(eta_s, float) else None)
    if isinstance(error, AuthError):
        found.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, MethodError):
        found.append((b"allow", str(error.details.get("allow", "")).encode("ascii")))
    return found
