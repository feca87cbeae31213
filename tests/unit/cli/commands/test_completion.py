import pytest
from tests.unit.cli.conftest import Run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(run: Run, shell: str) -> None:
    """The script calls back for completions of its shell."""
    outcome = run("completion", shell)
    assert 0 == outcome.code
    assert f"_ROUNDHOUSE_COMPLETE={shell}_complete" in outcome.out


def test_another_shell_is_a_usage_error(run: Run) -> None:
    """Only those three."""
    assert 2 == run("completion", "tcsh").code
