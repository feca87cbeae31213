import pytest
from tests.unit.cli.conftest import Run

from roundhouse import __version__
from roundhouse.cli.main import _GLOBAL
from roundhouse.cli.options import GLOBAL
from roundhouse.core.errors import NetworkError


def test_version(run: Run) -> None:
    """--version prints one line."""
    assert (0, f"roundhouse {__version__}\n") == (run("--version").code, run("--version").out)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nope"], "No such command 'nope'"),
        (["run", "x"], "Did you mean 'roundhouse chat'?"),
        (["ls"], "Did you mean 'roundhouse models ls'?"),
        (["models", "list"], "Did you mean 'ls'?"),
        (["models", "nope"], "see `roundhouse models --help`"),
        (["--json", "models", "ls"], "--json stands behind the command"),
        (["models", "ls", "--colour"], "No such option"),
        (["pull"], "Missing argument 'REF'"),
        (["up", "--port", "70000"], "70000"),
    ],
)
def test_a_wrong_command_line_is_exit_2_with_a_pointer(run: Run, words: list[str], says: str) -> None:
    """What people know from elsewhere is named; everything else points to its help."""
    outcome = run(*words)
    assert (2, "") == (outcome.code, outcome.out)
    assert says in outcome.err
    assert "hint: " in outcome.err


def test_without_a_command_the_help_is_shown(run: Run) -> None:
    """`roundhouse` alone lists the commands."""
    outcome = run()
    assert 2 == outcome.code
    assert "Start Roundhouse on this machine." in outcome.err


def test_serve_is_up_and_hidden(run: Run) -> None:
    """The old name works and is not listed."""
    assert "Usage: roundhouse serve" in run("serve", "--help").out
    assert "\n  serve " not in run("--help").out


def test_an_unforeseen_error_is_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own fault is one line, a hint, exit 1; --debug shows where."""
    monkeypatch.setattr("roundhouse.cli.invocation.running", lambda _: 1 / 0)
    outcome = run("usage")
    assert (1, "") == (outcome.code, outcome.out)
    assert outcome.err.startswith("error: ZeroDivisionError")
    assert "Traceback" not in outcome.err
    assert "Traceback" in run("usage", "--debug").err


def test_an_interrupt_is_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a command quietly."""

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("roundhouse.cli.invocation.running", interrupted)
    assert (130, "") == (run("usage").code, run("usage").out)


def test_an_error_of_ours_has_its_exit_code(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json it is on stdout as well."""

    def unreachable(_: object) -> None:
        message = "gone"
        raise NetworkError(message)

    monkeypatch.setattr("roundhouse.cli.invocation.running", unreachable)
    outcome = run("usage", "--json")
    assert (9, "E_NET") == (outcome.code, outcome.json["error"]["code"])


def test_the_global_options_are_known_by_name() -> None:
    """The root knows them without importing them."""
    assert _GLOBAL == {name for option in GLOBAL for name in option.opts}
