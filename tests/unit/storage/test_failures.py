import sqlite3

import pytest
from sqlalchemy import exc

from roundhouse.core.errors import (
    CapacityError,
    DiskError,
    InternalError,
    NetworkError,
    RoundhouseError,
    SchemaError,
)
from roundhouse.storage.failures import translated

#: A statement and its parameters.
QUERY = ("SELECT :secret", {"secret": "hunter2"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("database or disk is full", DiskError),
        ("disk I/O error", DiskError),
        ("attempt to write a readonly database", DiskError),
        ("database is locked", CapacityError),
        ("FATAL: sorry, too many clients already", CapacityError),
        ("server closed the connection unexpectedly", NetworkError),
        ("no such table: artifacts", InternalError),
    ],
)
def test_says_what_is_wrong_with_the_database(text: str, expected: type[RoundhouseError]) -> None:
    """What the driver calls operational becomes an error that tells the user where to look."""
    with pytest.raises(expected, match=text), translated():
        raise exc.OperationalError(*QUERY, sqlite3.OperationalError(text))


@pytest.mark.parametrize("kind", [exc.DataError, exc.IntegrityError])
def test_says_that_a_value_does_not_fit(kind: type[exc.DBAPIError]) -> None:
    """The value is at fault, not the database."""
    with pytest.raises(SchemaError), translated():
        raise kind(*QUERY, sqlite3.IntegrityError("NOT NULL constraint failed"))


def test_repeats_no_parameters() -> None:
    """What stood in the statement does not get into errors and logs."""
    with pytest.raises(RoundhouseError) as caught, translated():
        raise exc.ProgrammingError(*QUERY, sqlite3.ProgrammingError("syntax error"))
    assert "hunter2" not in str(caught.value)


def test_a_number_beyond_64_bits_does_not_fit() -> None:
    """The driver refuses it before the database sees it."""
    with pytest.raises(SchemaError), translated():
        sqlite3.connect(":memory:").execute("SELECT ?", (2**64,))


def test_busy_connections_are_a_matter_of_capacity() -> None:
    """Waiting for one in vain may be tried again."""
    with pytest.raises(CapacityError) as caught, translated():
        raise exc.TimeoutError
    assert caught.value.retryable


def test_lets_other_errors_through() -> None:
    """A bug of ours stays a bug of ours."""
    with pytest.raises(KeyError), translated():
        raise KeyError
