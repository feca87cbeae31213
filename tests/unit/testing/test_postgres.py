import psycopg
import pytest

from roundhouse.testing.postgres import URL_VARIABLE, PostgresMissingError, new_database, postgres


def test_a_named_server_is_used_as_it_is() -> None:
    """Then nothing is started."""
    with postgres({URL_VARIABLE: "postgresql://me@host/db"}) as url:
        assert "postgresql://me@host/db" == url


def test_a_new_database_is_dropped_though_somebody_is_connected(postgres_url: str) -> None:
    """A test that forgot to close leaves nothing behind."""
    with new_database(postgres_url) as url:
        forgotten = psycopg.connect(url)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)
    forgotten.close()


@pytest.mark.slow
def test_our_own_server_is_gone_afterwards() -> None:
    """It answers inside, and does not outside."""
    try:
        with postgres({}) as url, psycopg.connect(url) as connection:
            assert (1,) == connection.execute("SELECT 1").fetchone()
    except PostgresMissingError:
        pytest.skip("no PostgreSQL programs on this machine")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
