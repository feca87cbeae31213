import pytest

from roundhouse.cli.output import Cell, Column, Table
from roundhouse.cli.terminal import print_table, progress

NAME = "Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M"


@pytest.fixture
def table() -> Table:
    """A name that people copy, and two columns that may go."""
    columns = (Column("name"), Column("first to go", drop=2), Column("second to go", drop=1))
    return Table(columns, [[NAME, Cell("aaaaaaaaaaaaaaaa", style="ok"), "bbbbbbbbbbbbbbbb"]], title="models")


@pytest.mark.parametrize(
    ("width", "titles"),
    [(100, {"name", "first to go", "second to go"}), (60, {"name", "second to go"}), (40, {"name"})],
)
def test_columns_go_in_the_order_of_their_worth(
    table: Table, width: int, titles: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A narrow terminal loses the least important columns, never the name."""
    monkeypatch.setenv("COLUMNS", str(width))
    print_table(table)
    printed = capsys.readouterr().out
    assert titles == {title for title in ("name", "first to go", "second to go") if title in printed}
    assert NAME in printed


def test_a_name_folds_and_is_never_cut(
    table: Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the width, every character of a name is on the screen."""
    monkeypatch.setenv("COLUMNS", "20")
    print_table(table)
    assert NAME in "".join(line.strip() for line in capsys.readouterr().out.splitlines())


def test_markup_in_names_is_only_text(capsys: pytest.CaptureFixture[str]) -> None:
    """A model called [red]x[/red] is shown as it is called."""
    print_table(Table((Column("name"),), [["[red]x[/red]\x1b[31m"]]))
    assert "[red]x[/red]\N{REPLACEMENT CHARACTER}[31m" in capsys.readouterr().out


def test_a_bar_talks_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Data and progress do not mix."""
    with progress("pulling") as bar:
        bar.update("45 %", 45, 100)
    assert "" == capsys.readouterr().out
