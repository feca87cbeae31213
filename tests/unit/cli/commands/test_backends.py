from dataclasses import replace

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.core.desks.figures import BaselineView
from roundhouse.testing.desks.figures import zeros
from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import NOON, a_backend, a_model


def test_ls_says_who_is_down_and_what_to_do(run: Run, server: FakeServer) -> None:
    """State per row, and the command that looks closer."""
    server.management.runtimes = [a_backend(), a_backend("cloud", ok=False)]
    outcome = run("backends", "ls")
    assert [["local", "ok"], ["cloud", "down"]] == [row[:2] for row in outcome.rows[1:]]
    assert "roundhouse backends test cloud" in outcome.err


def test_an_empty_ls_shows_how_to_add_one(run: Run, server: FakeServer) -> None:
    """No backends: the command that adds one."""
    server.management.runtimes = []
    assert "roundhouse backends add --help" in run("backends", "ls").err


def test_test_lists_what_it_serves(run: Run, server: FakeServer) -> None:
    """A backend that answers is exit 0, with its deployments; of one that nobody called there is nothing to say."""
    server.management.catalog = [a_model("a")]
    outcome = run("backends", "test", "local")
    assert (0, ["local/a", "-", "-", "-"]) == (outcome.code, outcome.rows[-1])


def test_test_shows_how_quick_its_models_were(run: Run, server: FakeServer) -> None:
    """And how quick they are when they are well, without asking any of them."""
    usual = BaselineView(NOON, "calls", 42.0, 150.0)
    server.management.catalog = [a_model("tiny")]
    server.management.measured = [replace(zeros("local"), requests=7, baseline=usual, tokens_per_s=40.5)]
    outcome = run("backends", "test", "local")
    assert ["local/tiny", "7", "40.5", "42.0"] == outcome.rows[-1]
    assert not [row for row in outcome.rows if row[0] == "said"]


@pytest.mark.usefixtures("server")
def test_test_with_a_prompt_shows_the_reply(run: Run) -> None:
    """What it said, whether that is right, and how quick it was."""
    outcome = run("backends", "test", "local", "--prompt")
    assert ["said", "hi"] in outcome.rows
    assert ["which is", "wrong: it answers, but not sensibly"] in outcome.rows
    assert ["tokens/s", "25.0 (50% of its baseline)"] in outcome.rows
    assert ["baseline", "50.0 tokens/s"] in outcome.rows


@pytest.mark.usefixtures("server")
def test_a_baseline_is_kept_when_asked_for(run: Run) -> None:
    """Which asks for a count, too; and it is said before that it will."""
    outcome = run("backends", "test", "local", "--baseline", "--model", "x/y")
    assert ["baseline", "this from now on: later calls are compared with it"] in outcome.rows
    assert ["by", "x/y"] in outcome.rows
    assert "asking x/y at local to count to 20" in outcome.err


def test_test_of_one_that_is_down_is_exit_9(run: Run, server: FakeServer) -> None:
    """Unreachable, with its reason as data."""
    server.management.runtimes = [a_backend("cloud", ok=False)]
    outcome = run("backends", "test", "cloud", "--json")
    assert (9, False) == (outcome.code, outcome.json["ok"])


@pytest.mark.usefixtures("server")
def test_test_of_an_unknown_one_is_exit_3(run: Run) -> None:
    """Not found."""
    assert 3 == run("backends", "test", "none").code


@pytest.mark.usefixtures("server")
def test_show_tells_what_calls_were_like(run: Run) -> None:
    """One row per model; what was never measured is a dash."""
    outcome = run("backends", "show", "local")
    assert (0, ["tiny", "0", "0", "0", "-", "-", "-", "-", "-", "-"]) == (outcome.code, outcome.rows[-1])


@pytest.mark.usefixtures("server")
def test_show_of_one_that_is_not_there_is_an_error(run: Run) -> None:
    """Exit code as for everything that is not there."""
    assert run("backends", "show", "nobody").code == run("backends", "test", "nobody").code


@pytest.mark.usefixtures("server")
def test_ls_shows_how_busy_each_is(run: Run) -> None:
    """Calls and errors of the last day."""
    head, row = run("backends", "ls").rows
    assert ("0", "0") == (row[head.index("calls")], row[head.index("errors")])


def test_ls_says_what_is_slow(run: Run, server: FakeServer) -> None:
    """It answers, and is not what it was."""
    server.management.runtimes = [replace(a_backend(), degraded=("tiny",))]
    assert "slow" == run("backends", "ls").rows[1][1]


def test_show_says_how_slow(run: Run, server: FakeServer) -> None:
    """With what it is compared with."""
    slow = replace(
        zeros("local"), baseline=BaselineView(NOON, "calls", 42.0, 150.0), pace=0.4, degraded=True, tokens_per_s=16.8
    )
    server.management.measured = [slow]
    outcome = run("backends", "show", "local")
    assert "local/tiny is at 40% of its baseline (42.0 tokens/s, first token after 150 ms)" in outcome.err
    assert ["16.8", "42.0"] == outcome.rows[-1][4:6]
