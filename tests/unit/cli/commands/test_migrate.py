from dataclasses import replace

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.core.desks.migrations import MigrationConflict
from roundhouse.testing.desks.migrations import a_migration_plan
from roundhouse.testing.management import FakeServer


@pytest.fixture
def filled(server: FakeServer) -> FakeServer:
    """A server that finds an Ollama store with two models."""
    server.management.foreign = [a_migration_plan("tiny:latest", "big:70b")]
    return server


@pytest.mark.usefixtures("filled")
def test_without_a_source_stores_are_listed(run: Run) -> None:
    """How much there is, and what to do next."""
    outcome = run("models", "migrate")
    assert ["ollama", "2"] == outcome.rows[1][:2]
    assert "roundhouse models migrate ollama --dry-run" in outcome.err


@pytest.mark.usefixtures("server")
def test_no_stores_name_the_next_command(run: Run) -> None:
    """Nothing on stdout, exit 0."""
    outcome = run("models", "migrate")
    assert (0, "") == (outcome.code, outcome.out)
    assert "adopt a folder" in outcome.err


def test_a_dry_run_shows_the_plan_and_changes_nothing(run: Run, filled: FakeServer) -> None:
    """What comes, what cannot, what is saved, what is left behind."""
    outcome = run("models", "migrate", "ollama", "--dry-run", "--mode", "link")
    assert "tiny:latest\tlink\t1073741824\tplanned" in outcome.out
    assert "blobs/sha256-00-partial\tpartial" in outcome.out
    for words in ("2.0 GiB shared", "note: no template", "roundhouse models migrate ollama --mode link"):
        assert words in outcome.err
    assert [] == filled.management.migrated


@pytest.mark.usefixtures("filled")
def test_a_migration_names_the_way_back(run: Run) -> None:
    """What was adopted, and how to take it back."""
    outcome = run("models", "migrate", "ollama")
    assert "2 models adopted" in outcome.err
    assert "roundhouse models migrate --rollback 000000000001" in outcome.err


@pytest.mark.usefixtures("filled")
def test_a_second_time_there_is_nothing_to_do(run: Run) -> None:
    """That is success."""
    run("models", "migrate", "ollama")
    outcome = run("models", "migrate", "ollama")
    assert 0 == outcome.code
    assert "2 models here already" in outcome.err


@pytest.mark.usefixtures("filled")
def test_list_rollback_and_forget(run: Run) -> None:
    """Each takes the id that --list --quiet prints."""
    run("models", "migrate", "ollama")
    (migration,) = run("models", "migrate", "--list", "--quiet").out.split()
    assert "as it was before" in run("models", "migrate", "--rollback", migration).err
    assert f"{migration}\n" == run("models", "migrate", "--forget", migration, "--quiet").out
    assert "nothing was migrated yet" in run("models", "migrate", "--list").err


def test_conflicts_say_what_is_done_about_them(run: Run, filled: FakeServer) -> None:
    """In a table of their own."""
    conflict = MigrationConflict("tiny:latest", "x", "same name, other bytes", "tiny:latest", "skip")
    filled.management.foreign = [replace(a_migration_plan(), conflicts=(conflict,))]
    outcome = run("models", "migrate", "ollama", "--dry-run")
    assert "tiny:latest\tsame name, other bytes\ttiny:latest\tleft out" in outcome.out


def test_a_model_whose_bytes_were_wrong_is_exit_6(run: Run, filled: FakeServer) -> None:
    """And said; the others are adopted."""
    filled.management.lying = {"big:70b"}
    outcome = run("models", "migrate", "ollama")
    assert 6 == outcome.code
    assert "big:70b: its bytes are others\n1 model adopted" in outcome.err


@pytest.mark.usefixtures("filled")
def test_two_wishes_at_once_are_refused(run: Run) -> None:
    """Exit 2, as for every wrong command line."""
    assert 2 == run("models", "migrate", "ollama", "--list").code


@pytest.mark.usefixtures("filled")
def test_an_unknown_folder_is_exit_3(run: Run) -> None:
    """Not found; a relative path counts from here."""
    assert 3 == run("models", "migrate", "./nowhere").code
