from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.cli.commands import pull
from roundhouse.core.errors import DiskError
from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import a_model

REF = "hf:acme/tiny:Q4_K_M"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once."""
    monkeypatch.setattr(pull, "_PAUSE_S", 0.0)


def test_pull_waits_and_prints_the_name(run: Run, server: FakeServer) -> None:
    """A pipe gets the name alone; people get size, time and the next command."""
    server.management.steps = [
        {"state": "resolving"},
        {"state": "downloading", "bytes_done": 50, "bytes_total": 100, "rate": 10.0, "eta_s": 5.0},
        {"state": "registering"},
        {"state": "done", "bytes_done": 100},
    ]
    outcome = run("pull", REF)
    assert (0, "acme/tiny:Q4_K_M\n") == (outcome.code, outcome.out)
    assert "pulling: 50 %, 50 B of 100 B, 10 B/s, 5.0 s left" in outcome.err
    assert "roundhouse chat acme/tiny:Q4_K_M" in outcome.err


@pytest.mark.usefixtures("server")
def test_pull_by_another_name(run: Run) -> None:
    """--name is what the server is asked for."""
    assert "mine\n" == run("pull", REF, "--name", "mine").out


@pytest.mark.usefixtures("server")
def test_pull_json_is_the_transfer(run: Run) -> None:
    """The last state, as the API answers."""
    assert "done" == run("pull", REF, "--json").json["state"]


def test_a_failed_pull_ends_as_its_error(run: Run, server: FakeServer) -> None:
    """Wrong bytes are exit 6, with what the transfer said."""
    error = {"code": "E_VERIFY", "message": "other bytes than promised", "hint": "try again", "retryable": False}
    server.management.steps = [{"state": "failed", "error": error}]
    outcome = run("pull", REF)
    assert (6, "") == (outcome.code, outcome.out)
    assert "error: other bytes than promised (E_VERIFY)\nhint: try again\n" in outcome.err


def test_a_refused_pull_ends_as_its_error(run: Run, server: FakeServer) -> None:
    """What the server refuses at once is told at once."""
    server.management.refusal = DiskError("no space")
    assert 7 == run("pull", REF).code


def test_dry_run_shows_the_plan(run: Run, server: FakeServer) -> None:
    """Files and sizes, and nothing is started."""
    outcome = run("pull", REF, "--dry-run")
    assert [["model.gguf", "100000000", "to fetch"]] == outcome.rows[1:]
    assert "to fetch: 95.4 MiB of 95.4 MiB" in outcome.err
    assert "Q4_K_M is the best that fits" in outcome.err
    assert "time unknown" in outcome.err
    assert "disk: fits (46.6 GiB free" in outcome.err
    assert [] == server.management.pulls


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"rate": 1e6, "rate_from": "limit", "duration_s": 100.0}, "(the limit)"),
        ({"rate": 1e6, "rate_from": "measured", "duration_s": 100.0}, "(what comes now)"),
        ({"bytes_needed": 0}, "nothing to wait for"),
        (
            {"disk_fits": False, "disk_promised": 1 << 30},
            "DOES NOT FIT (46.6 GiB free, 0 B kept free, 1.0 GiB promised",
        ),
        ({"memory_fits": True}, "memory: fits (about 150 MiB of the 12.0 GiB"),
        ({"license": None}, "licence: unknown"),
    ],
)
def test_a_plan_says_what_fits_and_how_long_it_takes(
    run: Run, server: FakeServer, fields: dict[str, object], words: str
) -> None:
    """In words, with the numbers behind them."""
    server.management.planned = fields
    assert words in run("pull", REF, "--dry-run").err


@pytest.mark.usefixtures("server")
def test_detach_prints_the_id(run: Run) -> None:
    """The server goes on by itself."""
    outcome = run("pull", REF, "--detach", "-q")
    assert (0, "t-1\n") == (outcome.code, outcome.out)


def test_detach_needs_a_server(run: Run) -> None:
    """Without one there is nobody to go on."""
    outcome = run("pull", REF, "--detach")
    assert 2 == outcome.code
    assert "start it with `roundhouse up`" in outcome.err


def test_offline_refuses_the_network(run: Run, server: FakeServer) -> None:
    """--offline with a hub reference is exit 5, and the server is not asked."""
    assert 5 == run("pull", REF, "--offline").code
    assert [] == server.management.pulls


def test_a_path_counts_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server runs somewhere else: it gets the whole path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.gguf").touch()
    whole = f"{tmp_path}/model.gguf"
    assert [whole] * 3 == [pull._absolute(ref) for ref in ("model.gguf", "./model.gguf", f"file:{whole}")]


@pytest.mark.parametrize("ref", [REF, "https://example.org/x.gguf#sha256=ab", "owner/repo", "ollama:x:y"])
def test_what_is_no_path_stays(ref: str) -> None:
    """References are the server's to read."""
    assert ref == pull._absolute(ref)


def interrupts(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Press Ctrl-C in each of the first *times* waits."""
    left = [KeyboardInterrupt()] * times

    def sleep(_: float) -> None:
        if left:
            raise left.pop()

    monkeypatch.setattr("roundhouse.cli.commands.pull.sleep", sleep)


def test_interrupting_leaves_the_server_at_work(run: Run, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is 130 and says how to come back to it."""
    server.management.steps = [{"state": "downloading"}]
    interrupts(monkeypatch, 1)
    outcome = run("pull", REF)
    assert (130, "queued") == (outcome.code, server.management.pulls[0].state)
    assert "goes on in the background" in outcome.err
    assert f"roundhouse pull {REF}" in outcome.err


def test_a_second_interrupt_cancels(run: Run, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server keeps nothing of it."""
    interrupts(monkeypatch, 2)
    outcome = run("pull", REF)
    assert (130, "cancelled") == (outcome.code, server.management.pulls[0].state)
    assert "nothing of it is kept" in outcome.err


def test_a_pull_that_somebody_cancelled_ends(run: Run, server: FakeServer) -> None:
    """E_CANCELLED, and how to begin again."""
    server.management.steps = [{"state": "cancelled"}]
    outcome = run("pull", REF)
    assert 130 == outcome.code
    assert f"begin again with `roundhouse pull {REF}`" in outcome.err


def test_what_is_only_held_is_not_offered_for_a_chat(run: Run, server: FakeServer) -> None:
    """It says that nobody serves it."""
    server.management.catalog = [replace(a_model("acme/tiny"), unserved="held; no backend here serves mlx")]
    outcome = run("pull", "hf:acme/tiny")
    assert "acme/tiny is held; no backend here serves mlx" in outcome.err
    assert "roundhouse chat" not in outcome.err
