import pytest
from tests.unit.cli.conftest import Run

from roundhouse.cli.commands.help import exit_codes
from roundhouse.cli.errors import classes


def test_every_exit_code_of_the_tree_is_told() -> None:
    """An error whose exit code is not on the page does not exist."""
    assert {error.exit_code for error in classes()} <= {number for number, _, _ in exit_codes()}


def test_exit_codes_are_a_topic(run: Run) -> None:
    """`help exit-codes` prints the table."""
    assert ["6", "the bytes are not the right ones", "E_VERIFY"] in run("help", "exit-codes").rows


@pytest.mark.parametrize("words", [["pull"], ["models", "rm"], []])
def test_help_of_a_command_is_its_help(run: Run, words: list[str]) -> None:
    """`help models rm` is `models rm --help`."""
    assert run(*words, "--help").out == run("help", *words).out


def test_help_on_what_is_not_there_is_exit_2(run: Run) -> None:
    """No such topic."""
    assert 2 == run("help", "models", "nope").code
