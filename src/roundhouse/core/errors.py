"""Every error that a user can meet, as one tree.

::

    RoundhouseError
    + NetworkError           E_NET       source or peer unreachable, cut, stalled
    + DiskError              E_DISK      no space, read-only, I/O error
    + ForbiddenError         E_PERM      known, but not allowed
    + AuthError              E_AUTH      not known
    + LicenseError           E_LICENSE   licence not accepted, or gated
    + PolicyError            E_POLICY    owner, format or size refused by policy
    + VerifyError            E_VERIFY    bytes differ from their digest
    + SchemaError            E_SCHEMA    input, file or registry does not fit its schema
    |   + TooLargeError                  the same, because it is too big
    + NotFoundError          E_NOTFOUND  no such thing
    |   + MethodError                    the same, because the address takes another method
    + ConflictError          E_CONFLICT  already there, or changed under you
    + OfflineError           E_OFFLINE   needs the network in offline mode
    + BackendError           E_BACKEND   an upstream failed
    + DeadlineError          E_TIMEOUT   the deadline passed
    |   + SlowRequestError               the same, because the client did not send its request in time
    + LimitError             E_LIMIT     rate limit
    + BudgetError            E_BUDGET    money limit
    + CapacityError          E_CAPACITY  queue or memory full
    + NoRouteError           E_NOROUTE   no deployment can serve this request
    |   + LoopError                      the same, because nodes of ours pass it on in a circle
    + AbortedError           E_CANCELLED stopped by the user
    + ConfigError            E_CONFIG    bad configuration
    + InternalError          E_INTERNAL  our fault

The class attributes are the one table from code to HTTP status, exit code and dialect type.
"""

from __future__ import annotations

import math
from typing import ClassVar


class RoundhouseError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "E_INTERNAL"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    #: The ``type`` of an OpenAI-shaped error envelope.
    kind: ClassVar[str] = "server_error"
    retryable: bool = False
    #: What the user can do next; usually names a command.
    hint: str | None = None

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        retryable: bool | None = None,
        retry_after_s: float | None = None,
        details: dict[str, object] | None = None,
    ) -> None:
        doc = type(self).__doc__ or ""
        self.message = message or doc.strip()
        super().__init__(self.message)
        if hint is not None:
            self.hint = hint
        if retryable is not None:
            self.retryable = retryable
        #: Finite, for it is counted with and told: a wait without an end, or that is no number, is none.
        self.retry_after_s = retry_after_s if retry_after_s is not None and math.isfinite(retry_after_s) else None
        self.details = details or {}

    def to_dict(self) -> dict[str, object]:
        """The error as data, the same in every API answer and in ``--json``."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
            "details": self.details,
        }


class NetworkError(RoundhouseError):
    """The source or peer could not be reached, or the connection was cut."""

    code, status, exit_code, kind, retryable = "E_NET", 502, 9, "api_error", True


class DiskError(RoundhouseError):
    """The disk refused: no space, read-only, or an I/O error."""

    code, status, exit_code, kind = "E_DISK", 507, 7, "server_error"


class ForbiddenError(RoundhouseError):
    """You are not allowed to do that."""

    code, status, exit_code, kind = "E_PERM", 403, 4, "permission_error"


class AuthError(RoundhouseError):
    """That key is not known here."""

    code, status, exit_code, kind = "E_AUTH", 401, 4, "authentication_error"


class LicenseError(RoundhouseError):
    """The licence of this model has not been accepted, or its owner has not let you in."""

    code, status, exit_code, kind = "E_LICENSE", 403, 5, "permission_error"


class PolicyError(RoundhouseError):
    """The policy of this Roundhouse refuses that."""

    code, status, exit_code, kind = "E_POLICY", 403, 5, "permission_error"


class VerifyError(RoundhouseError):
    """The bytes are not the bytes that were promised."""

    code, status, exit_code, kind = "E_VERIFY", 422, 6, "invalid_request_error"


class SchemaError(RoundhouseError):
    """The input does not fit its schema."""

    code, status, exit_code, kind = "E_SCHEMA", 422, 2, "invalid_request_error"


class TooLargeError(SchemaError):
    """The request is too large."""

    status = 413


class NotFoundError(RoundhouseError):
    """There is no such thing."""

    code, status, exit_code, kind = "E_NOTFOUND", 404, 3, "not_found_error"


class MethodError(NotFoundError):
    """This address does not take that method."""

    status = 405


class ConflictError(RoundhouseError):
    """It is already there, or it changed under you."""

    code, status, exit_code, kind = "E_CONFLICT", 409, 1, "invalid_request_error"


class OfflineError(RoundhouseError):
    """That needs the network, and Roundhouse is offline."""

    code, status, exit_code, kind = "E_OFFLINE", 503, 5, "api_error"


class BackendError(RoundhouseError):
    """The backend failed."""

    code, status, exit_code, kind, retryable = "E_BACKEND", 502, 9, "api_error", True


class DeadlineError(RoundhouseError):
    """The deadline passed before the answer was there."""

    code, status, exit_code, kind, retryable = "E_TIMEOUT", 504, 8, "timeout_error", True


class SlowRequestError(DeadlineError):
    """The request did not arrive in time."""

    status = 408


class LimitError(RoundhouseError):
    """Too many requests."""

    code, status, exit_code, kind, retryable = "E_LIMIT", 429, 7, "rate_limit_error", True


class BudgetError(RoundhouseError):
    """The budget is spent."""

    code, status, exit_code, kind = "E_BUDGET", 402, 7, "insufficient_quota"


class CapacityError(RoundhouseError):
    """There is no room for that now: the queue or the memory is full."""

    code, status, exit_code, kind, retryable = "E_CAPACITY", 503, 7, "server_error", True


class NoRouteError(RoundhouseError):
    """No deployment can serve this request."""

    code, status, exit_code, kind = "E_NOROUTE", 422, 5, "invalid_request_error"
    hint = "see why with `roundhouse route explain`"


class LoopError(NoRouteError):
    """This request was here already, or was passed on too often from node to node."""

    status = 508
    hint = "some node offers what it has from another one: name the `models` of its backend"


class AbortedError(RoundhouseError):
    """Stopped by the user."""

    code, status, exit_code, kind = "E_CANCELLED", 499, 130, "api_error"


class ConfigError(RoundhouseError):
    """The configuration is not usable."""

    code, status, exit_code, kind = "E_CONFIG", 500, 2, "server_error"
    hint = "check it with `roundhouse config validate`"


class InternalError(RoundhouseError):
    """Roundhouse itself is at fault."""

    hint = "please report it with the request id and the log"
