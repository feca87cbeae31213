import io
from dataclasses import replace

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.cli.commands import pull
from roundhouse.cli.commands.agreeing import license_words
from roundhouse.core.views import PullPlan
from roundhouse.testing.desks.licenses import a_license
from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import a_model

REF = "hf:acme/wanted"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once."""
    monkeypatch.setattr(pull, "_PAUSE_S", 0.0)


@pytest.fixture
def wanted(server: FakeServer) -> FakeServer:
    """A house with a model, and terms that somebody has to agree to before another one."""
    server.management.catalog.append(a_model())
    server.management.terms.append(a_license(ref=REF))
    return server


class Terminal(io.StringIO):
    """Somebody at the keyboard."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.usefixtures("wanted")
def test_ls_tells_what_waits(run: Run) -> None:
    """One row per licence, with the models that came under it; --needed leaves the others out."""
    rows = run("licenses", "ls").rows
    assert [["apache-2.0", "no need to accept", "acme/tiny:Q4_K_M"], ["gemma", "to be accepted", "-"]] == [
        row[:3] for row in rows[1:]
    ]
    assert f"{'9e' * 32}\n" == run("licenses", "ls", "--needed", "--quiet").out
    assert ["gemma"] == [each["license"] for each in run("licenses", "ls", "--needed", "--json").json["licenses"]]


@pytest.mark.usefixtures("server")
def test_an_empty_house_says_so(run: Run) -> None:
    """A sentence, no table."""
    outcome = run("licenses", "ls")
    assert ("", True) == (outcome.out, "no licences yet" in outcome.err)


@pytest.mark.usefixtures("wanted")
def test_show_gives_a_pipe_the_text_alone(run: Run) -> None:
    """And tells people how to accept it."""
    outcome = run("licenses", "show", "gemma")
    assert ("Be kind.\n", True) == (outcome.out, "roundhouse licenses accept 9e9e9e9e9e9e" in outcome.err)
    assert "https://hub.example.com/gemma" == run("licenses", "show", "gemma", "--json").json["url"]


@pytest.mark.usefixtures("wanted")
def test_accepting_and_revoking(run: Run) -> None:
    """In the name of whoever does it."""
    assert "accepted" == run("licenses", "accept", "9e9e9e9e").rows[1][1]
    assert "admin" == run("licenses", "ls").rows[2][3]
    assert "to be accepted" == run("licenses", "revoke", "gemma").rows[1][1]


@pytest.mark.usefixtures("wanted")
def test_an_unknown_one_is_exit_3(run: Run) -> None:
    """With a hint."""
    outcome = run("licenses", "show", "nobody")
    assert (3, True) == (outcome.code, "roundhouse licenses ls" in outcome.err)


def test_a_script_is_not_asked(run: Run, wanted: FakeServer) -> None:
    """It learns that something has to be accepted, and exit 5."""
    outcome = run("pull", REF)
    assert (5, []) == (outcome.code, wanted.management.pulls)
    assert "which you have not accepted (E_LICENSE)" in outcome.err


def test_a_script_may_accept_beforehand(run: Run, wanted: FakeServer) -> None:
    """Exactly the text that the server has met."""
    outcome = run("pull", REF, "--accept-license", "--quiet")
    assert (0, ["9e" * 32]) == (outcome.code, list(wanted.management.acceptances))


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 5), ("\n", 5)])
def test_people_are_asked(
    run: Run, wanted: FakeServer, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    """They see what and where; no answer is no."""
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    outcome = run("pull", REF)
    assert (code, code == 0) == (outcome.code, bool(wanted.management.acceptances))
    assert [True, True] == [words in outcome.err for words in ("Do you accept gemma?", "https://hub.example.com/gemma")]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"license": "mit", "license_state": "free"}, "licence: mit"),
        ({"license": None, "license_state": "unknown"}, "licence: unknown; nobody names one"),
        ({"license": None, "license_state": "needed"}, "licence: unknown; nobody names one, and it has to be accepted"),
        (
            {"license": "other", "license_name": "Yi", "license_url": "https://x", "license_state": "needed"},
            "licence: Yi (https://x): has to be accepted first",
        ),
        ({"license": "gemma", "license_state": "accepted"}, "licence: gemma: you have accepted it"),
    ],
)
def test_a_dry_run_tells_the_terms(facts: dict[str, str | None], words: str) -> None:
    """What they are called, where they stand, and whether they are in the way."""
    plan = PullPlan("m", "hf", "1", None, (), 0, 0, 0)
    assert words == license_words(replace(plan, **facts))  # type: ignore[arg-type]  # the table names the fields
