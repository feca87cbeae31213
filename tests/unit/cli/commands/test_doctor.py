import os
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.cli.commands import checks
from roundhouse.core.errors import ConflictError
from roundhouse.core.views import Check


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare half a second per test: the real import has a test of its own."""
    monkeypatch.setattr(checks, "llamacpp", lambda: Check("llama.cpp", "ok", "loads"))


@pytest.mark.usefixtures("server")
def test_checks_are_numbered_and_include_the_servers(run: Run) -> None:
    """What this command finds, then what the server says."""
    outcome = run("doctor")
    assert 0 == outcome.code
    assert ["1", "ok", "python"] == outcome.rows[1][:3]
    assert "free space" in {row[2] for row in outcome.rows}


@pytest.mark.usefixtures("server")
def test_a_warning_comes_with_its_fix(run: Run) -> None:
    """The fix stands under the check."""
    outcome = run("doctor")
    assert ["", "", "", "fix: make room, or set library.path to a larger disk"] in outcome.rows
    assert "1 warning" in outcome.err


def test_a_wrong_file_is_a_failure(run: Run, home: Path) -> None:
    """Exit 1; the server is not even tried."""
    (home / "roundhouse.toml").write_text("[server]\nprot = 1\n", encoding="utf-8")
    outcome = run("doctor", "--json")
    failed = [check["name"] for check in outcome.json["checks"] if check["status"] == "fail"]
    assert (1, ["settings"]) == (outcome.code, failed)


@pytest.mark.parametrize("error", [ConflictError("the home is taken"), ImportError("no module")])
def test_a_server_that_cannot_start_is_a_failure(run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Doctor tells why, and does not die of it."""

    def refuse() -> None:
        raise error

    monkeypatch.setattr("roundhouse.cli.invocation.server_room", refuse)
    outcome = run("doctor", "-q")
    assert (1, "server\n") == (outcome.code, outcome.out)


def test_a_library_that_may_not_be_written_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room alone is not enough; a folder that may not even be looked into is judged by the one above it."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    check = checks.disk(tmp_path / "not" / "there", 0)
    assert ("fail", f"{tmp_path} cannot be written") == (check.status, check.detail)


def test_a_folder_that_may_not_be_entered_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking into it raises instead of answering."""
    exists = Path.exists

    def guarded(path: Path) -> bool:
        if path != tmp_path and path.is_relative_to(tmp_path):
            raise PermissionError
        return exists(path)

    monkeypatch.setattr(Path, "exists", guarded)
    assert "ok" == checks.home(tmp_path / "closed" / "home").status
