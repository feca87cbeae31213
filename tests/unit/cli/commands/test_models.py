from dataclasses import replace

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import a_model

TINY, REMOTE = "acme/tiny:Q4_K_M", "gpt-4o-mini"


@pytest.fixture
def filled(server: FakeServer) -> FakeServer:
    """A server with one model of its own and one of somebody else."""
    server.management.catalog = [a_model(TINY, loaded=True), a_model(REMOTE, local=False)]
    return server


@pytest.mark.usefixtures("filled")
def test_ls_lists_name_size_and_who_serves(run: Run) -> None:
    """One row per model."""
    outcome = run("models", "ls")
    assert [[TINY, "1117320736", "local"], [REMOTE, "", "cloud"]] == [
        [row[0], row[1], row[5]] for row in outcome.rows[1:]
    ]


@pytest.mark.usefixtures("filled")
def test_ls_local_leaves_out_what_others_hold(run: Run) -> None:
    """--local is what lies on this disk, in every form of output."""
    assert f"{TINY}\n" == run("models", "ls", "--local", "--quiet").out
    assert [TINY] == [model["name"] for model in run("models", "ls", "--local", "--json").json["models"]]


@pytest.mark.usefixtures("server")
def test_an_empty_ls_names_the_next_command(run: Run) -> None:
    """Nothing on stdout, exit 0, and how to get a model."""
    outcome = run("models", "ls")
    assert (0, "") == (outcome.code, outcome.out)
    assert "roundhouse pull hf:" in outcome.err


@pytest.mark.usefixtures("filled")
def test_show_tells_facts_and_files(run: Run) -> None:
    """Where it came from, what it is, its files with digests."""
    out = run("models", "show", TINY).out
    assert f"from\thf:{TINY}\n" in out
    assert f"model.gguf\t1117320736\t{'ab' * 32}\n" in out


@pytest.mark.usefixtures("filled")
def test_show_of_an_unknown_model_is_exit_3(run: Run) -> None:
    """Not found, with the way to find."""
    outcome = run("models", "show", "none")
    assert (3, "") == (outcome.code, outcome.out)
    assert "hint: list them with `roundhouse models ls`" in outcome.err


def test_ls_and_show_say_what_is_in_quarantine(run: Run, filled: FakeServer) -> None:
    """Instead of who has it in memory, and how to get it back."""
    filled.management.catalog[0] = replace(filled.management.catalog[0], quarantined=True)
    outcome = run("models", "ls")
    assert ("quarantined", True) == (outcome.rows[1][4], f"models repair {TINY}" in outcome.err)
    assert "quarantine" in run("models", "show", TINY).out


def test_rm_removes(run: Run, filled: FakeServer) -> None:
    """Without a terminal nobody is asked; what went is told."""
    outcome = run("models", "rm", TINY)
    assert (0, [TINY, "1117320736"]) == (outcome.code, outcome.rows[1])
    assert [REMOTE] == [model.name for model in filled.management.catalog]


def test_rm_dry_run_removes_nothing(run: Run, filled: FakeServer) -> None:
    """It tells what would be freed."""
    outcome = run("models", "rm", TINY, "--dry-run", "--json")
    assert {"removed": TINY, "bytes_freed": 1117320736, "dry_run": True} == outcome.json
    assert 2 == len(filled.management.catalog)


def test_rm_is_all_or_nothing(run: Run, filled: FakeServer) -> None:
    """A wrong name among several removes none of them."""
    assert 3 == run("models", "rm", TINY, "none").code
    assert 2 == len(filled.management.catalog)


@pytest.mark.usefixtures("filled")
def test_rm_of_what_is_not_ours_is_a_conflict(run: Run) -> None:
    """A remote model cannot be removed from here."""
    assert 1 == run("models", "rm", REMOTE).code


@pytest.mark.usefixtures("filled")
def test_verify_checks_what_is_local(run: Run) -> None:
    """Without a name every model of the library is read."""
    outcome = run("models", "verify")
    assert (0, [[TINY, "right"]]) == (outcome.code, [row[:2] for row in outcome.rows[1:]])


def test_verify_of_rotten_bytes_is_exit_6(run: Run, filled: FakeServer) -> None:
    """Which file, and the command that mends it."""
    filled.management.rotten = {TINY}
    outcome = run("models", "verify", TINY)
    assert (6, "WRONG") == (outcome.code, outcome.rows[1][1])
    assert f"roundhouse models repair {TINY}" in outcome.err


def test_verify_names_the_rotten_ones_only_when_quiet(run: Run, filled: FakeServer) -> None:
    """--quiet is for a loop over what is wrong."""
    filled.management.catalog.append(replace(a_model("b"), ref=None))
    filled.management.rotten = {"b"}
    outcome = run("models", "verify", "-q")
    assert (6, "b\n", "") == (outcome.code, outcome.out, outcome.err)


def test_verify_names_the_rotten_bytes(run: Run, filled: FakeServer) -> None:
    """Chunk by chunk, so that one can see how much is wrong."""
    filled.management.rotten = {TINY}
    assert "bytes 16,777,216 to 33,554,432" in run("models", "verify", TINY).err


@pytest.mark.usefixtures("filled")
def test_verify_quick_promises_less(run: Run) -> None:
    """Nobody read the bytes, so nobody calls them right."""
    outcome = run("models", "verify", "--quick", "--json")
    assert (0, True, None) == (outcome.code, outcome.json["quick"], outcome.json["files"][0]["actual"])
    assert "plausible" == run("models", "verify", "--quick").rows[1][1]


@pytest.mark.usefixtures("server")
def test_verify_of_an_empty_library_is_fine(run: Run) -> None:
    """Nothing to verify is no failure."""
    assert 0 == run("models", "verify").code
