from dataclasses import replace

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import a_transfer


@pytest.fixture
def busy(server: FakeServer) -> FakeServer:
    """A server with one transfer under way and one that failed."""
    error = {"code": "E_NET", "message": "the hub is gone", "hint": "try later"}
    failed = replace(a_transfer("hf:a/b", state="failed"), id="t-9", error=error)
    server.management.pulls = [replace(a_transfer("hf:c/d"), id="t-1"), failed]
    return server


@pytest.mark.usefixtures("busy")
def test_ls_lists_and_says_why_one_failed(run: Run) -> None:
    """State per row; the reason and the hint beside it."""
    outcome = run("downloads", "ls")
    assert ["downloading", "failed"] == [row[1] for row in outcome.rows[1:]]
    assert "the hub is gone (try later)" in outcome.err


@pytest.mark.usefixtures("busy")
def test_ls_active_is_what_moves(run: Run) -> None:
    """--active leaves out what is over, in every form of output."""
    assert "t-1\n" == run("downloads", "ls", "--active", "-q").out
    assert 1 == len(run("downloads", "ls", "--active", "--json").json["transfers"])


@pytest.mark.usefixtures("server")
def test_an_empty_ls_names_the_next_command(run: Run) -> None:
    """Nothing pulled yet: how to pull."""
    assert "roundhouse pull hf:" in run("downloads", "ls").err
