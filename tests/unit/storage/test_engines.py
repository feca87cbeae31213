import pytest

from roundhouse.core.errors import ConfigError
from roundhouse.storage.engines import jobs_url, parse


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///r.sqlite", "sqlite"),
        ("postgresql://me@host/db", "postgresql+psycopg"),
        ("postgres://me@host/db", "postgresql+psycopg"),
        ("postgresql+psycopg://me@host/db", "postgresql+psycopg"),
    ],
)
def test_names_our_driver(url: str, driver: str) -> None:
    """The ways people write a URL all lead to the driver that we have."""
    assert driver == parse(url).drivername


@pytest.mark.parametrize(
    "url",
    ["", "r.sqlite", "sqlite://", "sqlite:///:memory:", "mysql://me:hunter2@host/db", "postgresql://me:hunter2@host"],
)
def test_refuses_what_we_do_not_speak(url: str) -> None:
    """The error names the two forms, and never the password."""
    with pytest.raises(ConfigError) as caught:
        parse(url)
    assert "postgresql://" in str(caught.value.hint)
    assert "hunter2" not in str(caught.value)


def test_the_jobs_of_sqlite_have_a_file_of_their_own() -> None:
    """It stands beside ours."""
    assert "sqlite:////home/me/jobs.sqlite" == jobs_url("sqlite:////home/me/roundhouse.sqlite")


def test_the_jobs_of_postgresql_share_the_database() -> None:
    """The password goes along, and the driver is theirs to choose."""
    assert "postgresql://me:hunter2@host/db" == jobs_url("postgresql+psycopg://me:hunter2@host/db")
