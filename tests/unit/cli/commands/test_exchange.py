import json
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import a_model

TINY = "acme/tiny:Q4_K_M"


@pytest.fixture
def filled(server: FakeServer) -> FakeServer:
    """A server with one model."""
    server.management.catalog = [a_model(TINY)]
    return server


@pytest.mark.usefixtures("filled")
def test_export_prints_json(run: Run) -> None:
    """All models, or those that are named."""
    assert [TINY] == [each["name"] for each in run("models", "export").json["artifacts"]]
    assert (3, "") == ((outcome := run("models", "export", "nobody")).code, outcome.out)


def test_what_was_exported_is_imported(run: Run, filled: FakeServer, tmp_path: Path) -> None:
    """The file is written whole, and read in again changes nothing."""
    file = tmp_path / "registry.json"
    assert (0, "") == ((outcome := run("models", "export", "-o", str(file))).code, outcome.out)
    assert [file] == list(tmp_path.glob("registry*"))
    assert [TINY, "unchanged"] == run("models", "import", str(file)).rows[1][:2]
    assert [TINY] == [model.name for model in filled.management.catalog]


def test_a_bundle_goes_and_comes(run: Run, filled: FakeServer, tmp_path: Path) -> None:
    """`import` tells a tar from a document by itself."""
    file = tmp_path / "models.tar"
    outcome = run("models", "bundle", TINY, "--output", str(file), "--json")
    assert {"bundle": str(file), "size": file.stat().st_size} == outcome.json
    filled.management.catalog.clear()
    assert ["added"] == [each["state"] for each in run("models", "import", str(file), "--json").json["models"]]
    assert [TINY] == [model.name for model in filled.management.catalog]


@pytest.mark.usefixtures("filled")
def test_what_is_missing_names_the_next_command(run: Run, tmp_path: Path) -> None:
    """And --fetch starts the pulls."""
    file = tmp_path / "registry.json"
    document = run("models", "export").json
    document["artifacts"][0] |= {"name": "acme/away"}
    document["artifacts"][0]["files"][0]["digest"] = "0" * 64
    file.write_text(json.dumps(document))
    outcome = run("models", "import", str(file))
    assert ["acme/away", "missing"] == outcome.rows[1][:2]
    assert f"roundhouse models import {file} --fetch" in outcome.err
    assert "roundhouse downloads ls" in run("models", "import", str(file), "--fetch").err


@pytest.mark.usefixtures("filled")
def test_what_is_no_document_is_exit_2(run: Run, tmp_path: Path) -> None:
    """With the JSON path."""
    file = tmp_path / "registry.json"
    file.write_text('{"version": 2}')
    outcome = run("models", "import", str(file))
    assert (2, "") == (outcome.code, outcome.out)
    assert "$.version" in outcome.err
    assert 3 == run("models", "import", str(tmp_path / "none.json")).code


@pytest.mark.usefixtures("filled")
def test_a_bundle_of_nobody_leaves_no_file(run: Run, tmp_path: Path) -> None:
    """Neither the file nor its draft."""
    assert 3 == run("models", "bundle", "nobody", "-o", str(tmp_path / "models.tar")).code
    assert [] == list(tmp_path.glob("models*"))


def test_conflicts_are_exit_1(run: Run, filled: FakeServer, tmp_path: Path) -> None:
    """The hint names the policies."""
    file = tmp_path / "models.tar"
    run("models", "bundle", TINY, "-o", str(file))
    (tmp_path / "x").mkdir()
    document = run("models", "export").json
    document["artifacts"][0]["files"][0]["name"] = "other.gguf"
    (tmp_path / "other.json").write_text(json.dumps(document))
    outcome = run("models", "import", str(tmp_path / "other.json"))
    assert (1, True) == (outcome.code, "--on-conflict" in outcome.err)
    assert 0 == run("models", "import", str(tmp_path / "other.json"), "--on-conflict", "skip").code
    assert 1 == len(filled.management.catalog)
