import json
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.core.errors import OfflineError
from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import a_model

TINY = "acme/tiny:Q4_K_M"


@pytest.fixture
def filled(server: FakeServer) -> FakeServer:
    """A server with one model."""
    server.management.catalog = [a_model(TINY)]
    return server


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    """One model that is here, and one that is not."""
    file = tmp_path / "models.toml"
    file.write_text(f'[[models]]\nref = "hf:{TINY}"\n\n[[models]]\nref = "hf:acme/other"\nname = "mine"\n')
    return file


@pytest.mark.usefixtures("filled")
def test_a_dry_run_tells_and_does_nothing(run: Run, declared: Path) -> None:
    """One row for each model."""
    outcome = run("models", "ensure", str(declared), "--dry-run")
    assert [[TINY, "present"], ["mine", "pending"]] == [row[:2] for row in outcome.rows[1:]] or outcome.err
    assert "nothing is on its way" in run("downloads", "ls").err or [] == run("downloads", "ls").rows


@pytest.mark.usefixtures("filled")
def test_what_is_missing_is_started(run: Run, declared: Path) -> None:
    """Without --wait nobody waits for it."""
    outcome = run("models", "ensure", str(declared))
    assert (0, True) == (outcome.code, "roundhouse downloads ls" in outcome.err)


def test_waiting_ends_with_the_transfer(run: Run, filled: FakeServer, declared: Path) -> None:
    """What failed is told as `pull` would tell it."""
    error = {"code": "E_VERIFY", "message": "other bytes", "hint": None}
    filled.management.steps = [{"state": "failed", "error": error}]
    outcome = run("models", "ensure", str(declared), "--wait")
    assert (6, ["mine", "failed"]) == (outcome.code, outcome.rows[2][:2])
    assert "other bytes" in outcome.out


def test_waiting_is_over_when_all_is_here(run: Run, filled: FakeServer, declared: Path) -> None:
    """What came in the meantime is told as it is then."""
    filled.management.catalog.append(a_model("acme/other"))
    filled.management.rotten.add("mine")
    outcome = run("models", "ensure", str(declared), "--wait", "--json")
    assert (0, False) == (outcome.code, outcome.json["dry_run"])
    assert {"present", "pending"} == {model["state"] for model in outcome.json["models"]}


def test_a_timeout_is_exit_8(run: Run, filled: FakeServer, declared: Path) -> None:
    """When something is still on its way."""
    filled.management.steps = [{"state": "downloading"}]
    assert 8 == run("models", "ensure", str(declared), "--wait", "--timeout", "0").code


def test_what_cannot_come_sets_the_exit_code(run: Run, filled: FakeServer, declared: Path) -> None:
    """The first failure counts; the table says the rest."""
    filled.management.refusal = OfflineError("offline", hint="go online")
    outcome = run("models", "ensure", str(declared), "--wait")
    assert (5, "failed") == (outcome.code, outcome.rows[2][1])
    assert "hint: go online" in outcome.err


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.toml", "models = [", "is no TOML"),
        ("a.json", "{", "is no JSON"),
        ("a.json", "[]", "$:"),
        ("a.toml", '[[models]]\nref = "hf:a/b"\nwhen = 2026-01-01\n', "$.models[0]"),
        ("a.json", json.dumps({"models": [{"ref": "nonsense"}]}), "$.models[0]"),
    ],
)
def test_what_is_no_declaration_is_exit_2(run: Run, tmp_path: Path, name: str, text: str, words: str) -> None:
    """It is told where it is wrong."""
    (tmp_path / name).write_text(text)
    outcome = run("models", "ensure", str(tmp_path / name))
    assert (2, True) == (outcome.code, words in outcome.err), outcome.err


@pytest.mark.usefixtures("filled")
def test_a_file_that_is_not_there_is_exit_3(run: Run) -> None:
    """Not found."""
    assert 3 == run("models", "ensure", "/none.toml").code


def test_paths_count_from_the_file(run: Run, filled: FakeServer, tmp_path: Path) -> None:
    """Not from where the command or the server runs."""
    (tmp_path / "models.toml").write_text('[[models]]\nref = "./tiny.gguf"\n')
    filled.management.catalog.clear()
    model = run("models", "ensure", str(tmp_path / "models.toml"), "--dry-run", "--json").json["models"][0]
    assert f"file:{tmp_path}/tiny.gguf" == model["ref"]
