from collections.abc import Callable

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.cli import main
from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import a_backend, a_model

NAMES = ["Qwen/Qwen2.5-GGUF:Q4_K_M", "Qwen/Qwen2.5-GGUF:Q8_0"]
Complete = Callable[[str], list[str]]


@pytest.fixture
def complete(home: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Complete:
    """What the shell is offered for a line whose last word is being typed."""
    assert home

    def offered(line: str) -> list[str]:
        with monkeypatch.context() as patch:
            patch.setenv("_ROUNDHOUSE_COMPLETE", "bash_complete")
            patch.setenv("COMP_WORDS", line)
            patch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
            with pytest.raises(SystemExit):
                main([])
        return [item.partition(",")[2] for item in capsys.readouterr().out.split()]

    return offered


def test_commands_are_offered(complete: Complete) -> None:
    """The first word is a command."""
    assert ["models"] == complete("roundhouse mo")


def test_models_are_offered(complete: Complete, server: FakeServer) -> None:
    """Names come from the running server, `auto` with them."""
    server.management.catalog = [a_model(name) for name in NAMES]
    assert (NAMES, ["auto"]) == (complete("roundhouse models show Qwen/Qwen2.5-GGUF:"), complete("roundhouse chat a"))


def test_models_are_remembered(complete: Complete, run: Run, server: FakeServer) -> None:
    """What was listed once is offered when no server answers."""
    server.management.catalog = [a_model(name) for name in NAMES]
    run("models", "ls")
    (server.home / "run" / "server.json").unlink()
    assert NAMES == complete("roundhouse models rm Qwen")


def test_backends_are_offered(complete: Complete, server: FakeServer) -> None:
    """Names of backends come from the running server."""
    server.management.runtimes = [a_backend(), a_backend("cloud")]
    assert ["local", "cloud"] == complete("roundhouse backends test ")


def test_settings_are_offered(complete: Complete) -> None:
    """Keys come from the table."""
    assert ["server.host", "server.port"] == [
        key for key in complete("roundhouse config explain server.") if key[-1] == "t"
    ]


@pytest.mark.parametrize("line", ["roundhouse chat x", "roundhouse backends test x"])
def test_without_a_server_nothing_breaks(complete: Complete, line: str) -> None:
    """Tab never prints an error."""
    assert [] == complete(line)
