"""Tables and bars on a terminal, drawn by Rich. Loaded only when there is a terminal; knows nothing about nouns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table as Drawing
from rich.text import Text

from roundhouse.cli.output import Cell, Column, Table, cell
from roundhouse.cli.wording import printable

_GAP = 2
_STYLES = {"ok": "green", "warn": "yellow", "fail": "red", "error": "red", "hint": "cyan"}


def print_table(table: Table) -> None:
    """Draw a table that fits: the least important columns go first, then the first column folds."""
    console = Console(highlight=False)
    rows = [[cell(value) for value in row] for row in table.rows]
    kept = _fitting(table.columns, rows, console.width)
    drawing = Drawing(
        box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold", show_header=_has_titles(table)
    )
    for position in kept:
        column = table.columns[position]
        # What people copy is never cut: it folds.
        drawing.add_column(
            column.title, justify="right" if column.right else "left", overflow="fold", no_wrap=column.right
        )
    for row in rows:
        drawing.add_row(*(_text(row[position]) for position in kept))
    if table.title:
        console.print(Text(table.title, style="bold"))
    console.print(drawing)


def _has_titles(table: Table) -> bool:
    return any(column.title for column in table.columns)


def _text(value: Cell) -> Text:
    return Text(printable(value.text), style=_STYLES.get(value.style, value.style))


def _fitting(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int) -> list[int]:
    """Positions of the columns that fit side by side."""
    widths = [
        max([cell_len(column.title), *(cell_len(row[position].text) for row in rows)])
        for position, column in enumerate(columns)
    ]
    kept = list(range(len(columns)))
    while sum(widths[position] + _GAP for position in kept) - _GAP > width:
        least = max(columns[position].drop for position in kept)
        if not least:
            break
        kept = [position for position in kept if columns[position].drop != least]
    return kept


class progress:  # noqa: N801 - used like a function: `with progress(label) as bar`
    """A bar on stderr that is gone when it is over."""

    def __init__(self, label: str) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[words]}", markup=False),
            console=Console(stderr=True, highlight=False),
            transient=True,
        )
        self._task = self._progress.add_task(printable(label), total=None, words="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def update(self, words: str, done: float, total: float | None) -> None:
        """Show where it is."""
        self._progress.update(self._task, completed=done, total=total, words=printable(words))
