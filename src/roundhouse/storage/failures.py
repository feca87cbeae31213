"""What a database driver raises, said in our words. Knows no table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from roundhouse.core.errors import CapacityError, DiskError, InternalError, NetworkError, RoundhouseError, SchemaError

_DISK = ("disk is full", "disk i/o error", "readonly database", "unable to open", "no space left")
_BUSY = ("database is locked", "too many connections", "too many clients", "remaining connection slots")


@contextmanager
def translated() -> Iterator[None]:
    """Let only errors of ours through.

    Raises DiskError, CapacityError (busy), NetworkError (unreachable), SchemaError (a value that does not fit)
    and InternalError.
    """
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise _ours(error) from error
    except (OverflowError, UnicodeEncodeError) as error:  # from the driver itself, before SQL was sent
        message = f"the database cannot hold this value: {error}"
        raise SchemaError(message) from error


def _ours(error: exc.SQLAlchemyError) -> RoundhouseError:
    # Only the driver's own sentence: SQLAlchemy's text repeats the parameters, which are not ours to log.
    text = str(error.orig if isinstance(error, exc.DBAPIError) else error).strip()
    words = text.lower()
    match error:
        case exc.DataError() | exc.IntegrityError():
            return SchemaError(f"the database refuses this value: {text}")
        case exc.TimeoutError():
            return CapacityError("every connection to the database is busy")
        case exc.OperationalError() | exc.InterfaceError() | exc.DBAPIError(connection_invalidated=True):
            return _unavailable(text, words)
    return InternalError(f"the database refuses the statement: {text}")


def _unavailable(text: str, words: str) -> RoundhouseError:
    if any(sign in words for sign in _DISK):
        return DiskError(
            f"the database cannot use its disk: {text}", hint="free some space, or check the folder's owner"
        )
    if any(sign in words for sign in _BUSY):
        return CapacityError(f"the database is busy: {text}")
    if "no such table" in words or "no such column" in words:
        return InternalError(f"the database refuses the statement: {text}")
    return NetworkError(f"the database cannot be reached: {text}", hint="check storage.database_url and that it runs")
