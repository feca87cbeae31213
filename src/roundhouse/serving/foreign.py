"""What an adapter raises that is not ours. Knows nothing about routes or dialects."""

from __future__ import annotations

import traceback

import structlog

from roundhouse.core.errors import BackendError, RoundhouseError

_log = structlog.get_logger("roundhouse.serving")


def ours(error: BaseException, backend: str) -> BaseException:
    """The same error when it is ours, or the end of a task; any other is a failure of *backend*.

    What an answer looks like is up to whoever sends it: somebody else's may still be read.
    """
    if isinstance(error, RoundhouseError) or not isinstance(error, Exception):
        return error
    # Type and place, without the words: those may quote a key, or what a client wrote.
    _log.error("adapter failed", backend=backend, error=type(error).__name__, at=_place(error))
    message = f"{backend}: what it answered could not be dealt with ({type(error).__name__})"
    return BackendError(message, hint="please report it with the log", details={"backend": backend})


def _place(error: Exception) -> str:
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return f"{frame.f_globals.get('__name__')}:{line}"
