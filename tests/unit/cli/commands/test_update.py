import pytest
from tests.unit.cli.conftest import Run

from roundhouse.cli.commands import update
from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import a_model

TINY, OTHER = "acme/tiny:Q4_K_M", "acme/other:Q8_0"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once."""
    monkeypatch.setattr(update, "_PAUSE_S", 0.0)


@pytest.fixture
def filled(server: FakeServer) -> FakeServer:
    """A server with two models, one of which has something newer, and one that it does not hold."""
    server.management.catalog = [a_model(TINY), a_model(OTHER), a_model("gpt", local=False)]
    server.management.upstream = {TINY: "beef" * 10}
    return server


@pytest.mark.usefixtures("filled")
def test_a_check_lists_what_is_newer(run: Run) -> None:
    """Of all models that are held, and changes nothing."""
    outcome = run("models", "update", "--check")
    assert [[OTHER, "nothing newer at its source"], [TINY, "newer there"]] == [row[:2] for row in outcome.rows[1:]]
    assert f"roundhouse models update {TINY}" in outcome.err
    assert f"{TINY}\n" == run("models", "update", "--dry-run", "--quiet").out


@pytest.mark.usefixtures("filled")
def test_an_update_waits_for_the_end(run: Run) -> None:
    """And says how to go back."""
    outcome = run("models", "update", TINY)
    assert (0, "updated") == (outcome.code, outcome.rows[1][1])
    assert f"roundhouse models rollback {TINY}" in outcome.err


@pytest.mark.usefixtures("filled")
def test_json_has_everything(run: Run) -> None:
    """One object for one model, a list for several."""
    told = run("models", "update", TINY, "--json").json
    assert ("newer", "beef" * 10, True, None) == (told["state"], told["available"], told["updated"], told["error"])
    assert [OTHER, TINY] == [each["model"] for each in run("models", "update", "--all", "--json").json]


def test_one_that_fails_does_not_keep_the_others(run: Run, filled: FakeServer) -> None:
    """The exit code is that of the failure."""
    filled.management.upstream = {TINY: "beef", OTHER: "unreachable"}
    outcome = run("models", "update", "--all")
    assert (5, "updated") == (outcome.code, {row[0]: row[1] for row in outcome.rows}[TINY])


def test_a_failed_transfer_is_the_failure(run: Run, filled: FakeServer) -> None:
    """Wrong bytes are exit 6."""
    error = {"code": "E_VERIFY", "message": "other bytes than promised", "hint": None, "retryable": False}
    filled.management.steps = [{"state": "failed", "error": error}]
    outcome = run("models", "update", TINY)
    assert (6, "failed: other bytes than promised") == (outcome.code, outcome.rows[1][1])


@pytest.mark.usefixtures("filled")
def test_all_leaves_what_was_rolled_back(run: Run) -> None:
    """Whoever wants it names it."""
    run("models", "update", TINY)
    assert 0 == run("models", "rollback", TINY).code
    outcome = run("models", "update", "--all")
    assert "rolled back from the newest" == {row[0]: row[1] for row in outcome.rows}[TINY]
    assert "updated" == run("models", "update", TINY).rows[1][1]


def test_pinned_models_say_so(run: Run, filled: FakeServer) -> None:
    """There is nothing to update."""
    filled.management.pinned = {TINY}
    assert "pinned to 0f3c2a9d" == run("models", "update", TINY).rows[1][1]


@pytest.mark.usefixtures("server")
def test_nothing_to_update(run: Run) -> None:
    """An empty library is no error; no name at all is one."""
    assert "the library is empty" in run("models", "update", "--all").err
    assert 2 == run("models", "update").code


@pytest.mark.usefixtures("filled")
def test_rollback(run: Run) -> None:
    """Dry first, then for good; both revisions are shown."""
    run("models", "update", TINY)
    assert [TINY, "0f3c2a9d", "beef" * 10] == run("models", "rollback", TINY, "--dry-run").rows[1]
    assert "0f3c2a9d\n" == run("models", "rollback", TINY, "--to", "0f3c", "--quiet").out
    shown = run("models", "show", TINY).out
    assert "served\n" in shown
    assert "kept\n" in shown


@pytest.mark.usefixtures("filled")
def test_a_rollback_to_nowhere_is_exit_3(run: Run) -> None:
    """With the reason."""
    outcome = run("models", "rollback", OTHER)
    assert 3 == outcome.code
    assert "no older revision" in outcome.err
