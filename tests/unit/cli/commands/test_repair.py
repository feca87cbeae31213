import pytest
from tests.unit.cli.conftest import Run

from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import a_model

TINY, OTHER, REMOTE = "acme/tiny:Q4_K_M", "acme/other:Q8_0", "gpt-4o-mini"
CHUNK = 16 << 20


@pytest.fixture
def filled(server: FakeServer) -> FakeServer:
    """A server with two models of its own, the first of them loaded, and one of somebody else."""
    server.management.catalog = [a_model(TINY, loaded=True), a_model(OTHER), a_model(REMOTE, local=False)]
    return server


def test_what_is_right_is_left_alone(run: Run, filled: FakeServer) -> None:
    """Exit 0, and the word for it."""
    outcome = run("models", "repair", TINY)
    assert (0, [TINY, "right", "0"]) == (outcome.code, outcome.rows[1][:3])
    assert not filled.management.rotten


def test_what_is_wrong_is_repaired(run: Run, filled: FakeServer) -> None:
    """It tells what was damaged and what was fetched, and who still has the old bytes in memory."""
    filled.management.rotten = {TINY}
    outcome = run("models", "repair", TINY)
    assert (0, [TINY, "repaired", str(CHUNK), "0", str(CHUNK)]) == (outcome.code, outcome.rows[1][:5])
    assert f"{TINY} is in memory with the bytes from before" in outcome.err
    assert not filled.management.rotten


def test_what_nobody_has_any_more_is_exit_6(run: Run, filled: FakeServer) -> None:
    """Which bytes, why, and what to do."""
    filled.management.rotten = filled.management.lost = {TINY}
    outcome = run("models", "repair", TINY)
    assert (6, "quarantined") == (outcome.code, outcome.rows[1][1])
    for words in ("model.gguf could not be repaired and is in quarantine", "E_NOTFOUND", "hint: pull it again"):
        assert words in outcome.err


def test_dry_run_changes_nothing(run: Run, filled: FakeServer) -> None:
    """It tells what would be fetched; wrong bytes stay wrong, so it is exit 6."""
    filled.management.rotten = {OTHER}
    outcome = run("models", "repair", "--all", "--dry-run")
    assert (6, {OTHER}) == (outcome.code, filled.management.rotten)
    assert [[OTHER, "damaged"], [TINY, "right"]] == [row[:2] for row in outcome.rows[1:]]
    assert f"roundhouse models repair {OTHER}" in outcome.err


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("arguments", [(), (TINY, "--all")], ids=["neither", "both"])
def test_names_or_all(run: Run, arguments: tuple[str, ...]) -> None:
    """Nothing is repaired by accident."""
    assert 2 == run("models", "repair", *arguments).code


def test_quiet_names_what_stays_wrong(run: Run, filled: FakeServer) -> None:
    """One name a line, for a loop."""
    filled.management.rotten = filled.management.lost = {OTHER}
    outcome = run("models", "repair", "--all", "-q")
    assert (6, f"{OTHER}\n") == (outcome.code, outcome.out)


@pytest.mark.usefixtures("filled")
def test_json_is_what_the_server_said(run: Run) -> None:
    """One object for one name."""
    data = run("models", "repair", TINY, "--json").json
    assert (TINY, True, False, 0) == (data["model"], data["ok"], data["dry_run"], data["bytes_fetched"])


@pytest.mark.usefixtures("server")
def test_an_empty_library(run: Run) -> None:
    """Is said to be empty."""
    outcome = run("models", "repair", "--all")
    assert (0, True) == (outcome.code, "nothing to repair" in outcome.err)
