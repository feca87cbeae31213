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


@pytest.mark.parametrize(("verb", "state"), [("pause", "paused"), ("resume", "downloading"), ("cancel", "cancelled")])
def test_steering_by_model_id_or_reference(run: Run, busy: FakeServer, verb: str, state: str) -> None:
    """Whatever names a download will do; the state that it has now is shown."""
    for name in ("t-1", "c/d", "hf:c/d"):
        outcome = run("downloads", verb, name)
        assert (0, state) == (outcome.code, outcome.rows[1][1])
    assert state == busy.management.pulls[0].state


def test_steering_several_and_as_json(run: Run, busy: FakeServer) -> None:
    """Each is told, and each is answered."""
    busy.management.pulls[1] = replace(a_transfer("hf:a/b"), id="t-9")
    outcome = run("downloads", "pause", "c/d", "a/b", "--json")
    assert ["paused", "paused"] == [one["state"] for one in outcome.json["transfers"]]


@pytest.mark.usefixtures("busy")
def test_steering_what_is_over(run: Run) -> None:
    """E_CONFLICT, with what to do instead."""
    outcome = run("downloads", "resume", "a/b")
    assert 1 == outcome.code
    assert "roundhouse pull hf:a/b" in outcome.err


@pytest.mark.usefixtures("busy")
def test_steering_what_is_unknown(run: Run) -> None:
    """E_NOTFOUND is exit 3."""
    assert 3 == run("downloads", "pause", "nobody").code


def test_steering_by_a_name_that_fits_several(run: Run, busy: FakeServer) -> None:
    """Nobody guesses which was meant."""
    busy.management.pulls[1] = replace(a_transfer("hf:a/b"), id="t-9")
    outcome = run("downloads", "cancel", "t-")
    assert (1, "downloading") == (outcome.code, busy.management.pulls[0].state)
    assert "t-1, t-9" in outcome.err


def test_limit_shows_and_changes_what_holds_for_all(run: Run, server: FakeServer) -> None:
    """Sizes as everywhere, with or without the second; none lifts it."""
    assert [["limit", ""], ["configured", ""]] == run("downloads", "limit").rows[1:]
    assert ["limit (holds)", str(10 << 20)] == run("downloads", "limit", "10MiB/s").rows[1]
    run("downloads", "limit", "none")
    assert server.management.limit is None


def test_limit_for_one(run: Run, busy: FakeServer) -> None:
    """Named as for the other verbs."""
    assert str(2 << 20) in run("downloads", "limit", "2MiB", "c/d").rows[1]
    assert (None, 2 << 20) == (busy.management.limit, busy.management.pulls[0].bandwidth)


@pytest.mark.usefixtures("server")
def test_limit_that_is_no_rate(run: Run) -> None:
    """Usage, not a guess."""
    outcome = run("downloads", "limit", "fast")
    assert (2, True) == (outcome.code, "no rate" in outcome.err)


def test_prioritize_puts_it_before_the_others(run: Run, busy: FakeServer) -> None:
    """One more than the highest of those under way, or what is asked for."""
    busy.management.pulls[1] = replace(a_transfer("hf:a/b"), id="t-9", priority=4)
    run("downloads", "prioritize", "c/d")
    assert 5 == busy.management.pulls[0].priority
    run("downloads", "prioritize", "c/d", "--priority", "-2")
    assert -2 == busy.management.pulls[0].priority


def test_rm_takes_what_is_over_from_the_list(run: Run, busy: FakeServer) -> None:
    """First dry, then really; what moves stays."""
    over = {each.id for each in busy.management.pulls if each.state in {"done", "failed", "cancelled"}}
    busy.management.pulls.append(replace(a_transfer("hf:x/y", state="failed"), id="t-77"))
    assert {*over, "t-77"} == set(run("downloads", "rm", "--finished", "--dry-run", "-q").out.split())
    assert {*over, "t-77"} == set(run("downloads", "rm", "--finished", "-q").out.split())
    assert all(each.state not in {"done", "failed", "cancelled"} for each in busy.management.pulls)
    outcome = run("downloads", "rm", "--finished")
    assert (outcome.code, "nothing in the list is over" in outcome.err) == (0, True)


def test_rm_by_name(run: Run, server: FakeServer) -> None:
    """By id, the beginning of one, model or reference; one that moves is refused with what to do."""
    server.management.pulls = [
        replace(a_transfer("hf:x/y", state="failed"), id="abc-1"),
        replace(a_transfer("hf:c/d"), id="t-1"),
    ]
    assert run("downloads", "rm", "abc", "--json").json["transfers"][0]["id"] == "abc-1"
    assert [each.id for each in server.management.pulls] == ["t-1"]
    assert run("downloads", "rm", "c/d").code == 1
    assert run("downloads", "rm", "nothing").code == 3


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("words", [(), ("t-1", "--finished")])
def test_rm_wants_names_or_finished(run: Run, words: tuple[str, ...]) -> None:
    """Neither both nor none."""
    assert run("downloads", "rm", *words).code == 2
