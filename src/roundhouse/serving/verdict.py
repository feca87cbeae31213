"""What an attempt's end says about the deployment, and what the record calls it. Knows nothing about routes."""

from __future__ import annotations

import asyncio

from roundhouse.core.errors import (
    BackendError,
    CapacityError,
    DeadlineError,
    InternalError,
    LimitError,
    NetworkError,
    RoundhouseError,
)
from roundhouse.health.standing import Permit

#: How long a deployment that says "too many" without saying for how long is left alone.
_COOLDOWN_S = 5.0
#: A deadline missed after less than this says more about the caller's patience than about the deployment:
#: otherwise anybody could open every breaker by asking with a timeout of one millisecond.
_PATIENCE_S = 30.0

#: A key that is refused, a model that is gone: asking again opens no breaker, as nothing is out of order.
_TURNED_AWAY = range(400, 500)
_OVERLOADED = (503, 529)

CLIENT_CLOSED = "client_closed"
OK = "ok"


def outcome_of(error: BaseException | None) -> str:
    """``ok``, ``client_closed`` or the code of the error."""
    if error is None:
        return OK
    if isinstance(error, RoundhouseError):
        return error.code
    return CLIENT_CLOSED if isinstance(error, asyncio.CancelledError | GeneratorExit) else InternalError.code


def blame(permit: Permit, error: BaseException, now: float, lasted_s: float) -> None:
    """End *permit* as the failure *error* deserves: a failure, a cooldown, or nothing (the request was wrong)."""
    if isinstance(error, LimitError | CapacityError):
        permit.limited(now, _COOLDOWN_S if error.retry_after_s is None else error.retry_after_s)
    elif isinstance(error, NetworkError):
        permit.failed(now, unreachable=True)
    elif isinstance(error, BackendError) and status_of(error) in _TURNED_AWAY:
        permit.refused(now)
    elif _is_hard(error, lasted_s):
        permit.failed(now)
    else:
        permit.released()


def is_overload(error: BaseException, *, local: bool) -> bool:
    """Whether the backend says that it has too much to do.

    A provider that says when to come again, or which of its limits is reached, speaks of a quota: fewer calls at a time
    would not help, and waiting is what the cooldown is for.
    """
    if status_of(error) in _OVERLOADED:
        return True
    return isinstance(error, LimitError) and (local or (error.retry_after_s is None and "limits" not in error.details))


def status_of(error: BaseException) -> object:
    """The HTTP status that the backend gave, as far as it was one."""
    return error.details.get("status") if isinstance(error, RoundhouseError) else None


def _is_hard(error: BaseException, lasted_s: float) -> bool:
    """Whether the deployment is at fault."""
    if isinstance(error, DeadlineError):
        return lasted_s >= _PATIENCE_S
    return isinstance(error, BackendError)
