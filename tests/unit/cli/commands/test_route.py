import json
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import a_model


@pytest.fixture(autouse=True)
def filled(server: FakeServer) -> FakeServer:
    """A server with one model."""
    server.management.catalog = [a_model("acme/tiny:Q4_K_M")]
    return server


def test_explain_shows_scores_and_reasons(run: Run) -> None:
    """Candidates in order, refusals with their reason, and the choice in words."""
    outcome = run("route", "explain", "-m", "auto", "hello")
    assert ["1", "local/acme/tiny:Q4_K_M", "93.0"] == outcome.rows[1][:3]
    assert ["local/acme/embed:F16", "it cannot chat"] in outcome.rows
    assert "local/acme/tiny:Q4_K_M would serve it" in outcome.err


def test_explain_of_an_unknown_model_is_exit_3(run: Run) -> None:
    """The error of the answer is the error of the command; the answer is still data."""
    outcome = run("route", "explain", "-m", "none", "hello", "--json")
    assert (3, None) == (outcome.code, outcome.json["chosen"])


@pytest.mark.parametrize("operation", ["chat", "completion", "embedding", "rerank"])
def test_explain_asks_for_the_operation(run: Run, operation: str) -> None:
    """The request has the shape of what would be asked."""
    answer = run("route", "explain", "hello", "--operation", operation, "--json").json
    assert operation == answer["profile"]["operation"]


def test_explain_takes_a_whole_request(run: Run, tmp_path: Path) -> None:
    """--body is a request as a program would send it; -m overrides its model."""
    file = tmp_path / "request.json"
    file.write_text(json.dumps({"model": "none", "input": "x"}), encoding="utf-8")
    answer = run("route", "explain", "--body", str(file), "-m", "auto", "--json").json
    assert ("embedding", "auto") == (answer["profile"]["operation"], answer["profile"]["model"])


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_body_that_is_no_request_is_exit_2(run: Run, tmp_path: Path, content: str) -> None:
    """Broken input is the person's to mend."""
    file = tmp_path / "request.json"
    file.write_text(content, encoding="utf-8")
    assert 2 == run("route", "explain", "--body", str(file)).code
