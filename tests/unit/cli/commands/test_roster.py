from dataclasses import replace

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import a_backend, a_model


def test_add_says_how_it_is(run: Run, server: FakeServer) -> None:
    """Its state, and what to do next."""
    outcome = run("backends", "add", "box", "--url", "http://box:8000")
    assert (0, ["state", "ok"]) == (outcome.code, outcome.rows[3])
    assert "roundhouse models ls" in outcome.err
    assert "http://box:8000" == server.management.runtimes[-1].url


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    "wrong", [("--key-env", "HOME"), ("--key-env", "sk-not-a-variable"), ("--max-concurrent", "-1")]
)
def test_add_refuses_what_no_server_should_do(run: Run, wrong: tuple[str, str]) -> None:
    """Also variables that hold something else than a key."""
    assert 2 == run("backends", "add", "box", "--url", "http://box:8000", *wrong).code


@pytest.mark.usefixtures("server")
def test_add_of_a_name_that_is_taken_is_an_error(run: Run) -> None:
    """A conflict."""
    assert 1 == run("backends", "add", "local").code


def test_rm_takes_it_away(run: Run, server: FakeServer) -> None:
    """Its name is what scripts get."""
    server.management.runtimes.append(replace(a_backend("box"), added=True))
    outcome = run("backends", "rm", "box")
    assert (0, ["local"]) == (outcome.code, [each.name for each in server.management.runtimes])


def test_load_and_unload(run: Run, server: FakeServer) -> None:
    """Where it is in memory, how long that took, and when it no longer is."""
    server.management.catalog = [a_model("a")]
    assert [["in memory", "took"], ["local/a", "500 ms"]] == run("models", "load", "a", "--keep", "30min").rows
    assert [["unloaded"], ["local/a"]] == run("models", "unload", "a").rows
    assert "in no memory" in run("models", "unload", "a").err


@pytest.mark.usefixtures("server")
def test_load_wants_a_length_of_time(run: Run) -> None:
    """Not a word."""
    assert 2 == run("models", "load", "a", "--keep", "forever").code
