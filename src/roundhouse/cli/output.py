"""The one sink of every command: data to stdout as table, TSV, JSON or bare ids; talk to stderr.

Knows nothing about nouns. Loads the drawing of tables only when stdout is a terminal.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, cast

import click

from roundhouse.cli.wording import printable


class Mode(StrEnum):
    """How data is printed."""

    HUMAN = "human"
    JSON = "json"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Cell:
    """One value: words for people, and what a program gets instead."""

    text: str
    raw: object = None
    style: str = ""

    @property
    def plain(self) -> str:
        """What a pipe gets."""
        if self.raw is None:
            return self.text
        return self.raw.isoformat() if isinstance(self.raw, datetime) else str(self.raw)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    right: bool = False
    #: On a narrow terminal the highest goes first; 0 stays.
    drop: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for people and pipes."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell | str]]
    title: str = ""


class Bar(Protocol):
    """A progress bar that is on the screen."""

    def update(self, words: str, done: float, total: float | None) -> None:
        """Show where it is."""


class Terminal(Protocol):
    """What `terminal` offers to a terminal."""

    def print_table(self, table: Table) -> None:
        """Draw a table on stdout."""

    def progress(self, label: str) -> Bar:
        """Draw a bar on stderr; a context manager."""


def cell(value: Cell | str) -> Cell:
    """Text is a cell, too."""
    return value if isinstance(value, Cell) else Cell(value)


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command prints."""

    mode: Mode
    stdout_tty: bool
    stderr_tty: bool
    colour: bool

    def result(self, data: object, tables: Sequence[Table], ids: Sequence[str]) -> None:
        """Print the outcome: *data* with --json, *ids* with --quiet, else *tables*."""
        if self.mode is Mode.JSON:
            self.json(data)
        elif self.mode is Mode.QUIET:
            for line in ids:
                click.echo(printable(line))
        else:
            for number, table in enumerate(table for table in tables if table.rows):
                if number:
                    click.echo()
                self._table(table)

    def json(self, data: object) -> None:
        """Print *data* as JSON."""
        click.echo(json.dumps(data, indent=2 if self.stdout_tty else None, ensure_ascii=False))

    def text(self, words: str, *, newline: bool = True) -> None:
        """Print data that is text, at once."""
        click.echo(printable(words) if self.stdout_tty else words, nl=newline)

    def _table(self, table: Table) -> None:
        if self.stdout_tty:
            terminal().print_table(table)
            return
        titles = [column.title for column in table.columns]
        if any(titles):
            click.echo("\t".join(titles))
        for row in table.rows:
            click.echo("\t".join(printable(cell(value).plain).replace("\t", " ").replace("\n", " ") for value in row))

    def say(self, words: str = "", *, style: str = "") -> None:
        """Talk."""
        self._talk(self.styled(printable(words), style))

    def then(self, words: str, command: str) -> None:
        """Name the next command."""
        command = self.styled(printable(command), "bold")
        self._talk(f"{words}:\n  {command}" if self.colour else f"{words}: {command}")

    def _talk(self, words: str) -> None:
        if self.mode is not Mode.QUIET:
            click.echo(words, err=True, color=self.colour)

    def styled(self, words: str, style: str) -> str:
        """*words* in colour, where there is colour."""
        if not style or not self.colour:
            return words
        return click.style(words, bold=style == "bold", dim=style == "dim", fg=_COLOURS.get(style))

    @contextmanager
    def progress(self, label: str) -> Iterator[Bar]:
        """A bar on a terminal, a line now and then elsewhere, nothing with --quiet."""
        if self.mode is Mode.QUIET:
            yield _Silent()
        elif not self.stderr_tty:
            yield _Lines(label)
        else:
            with cast("_Drawn", terminal().progress(label)) as bar:
                yield bar


class _Drawn(Bar, Protocol):
    def __enter__(self) -> Bar: ...
    def __exit__(self, *error: object) -> None: ...


class Passing:
    """One line of talk on a terminal that the next one takes the place of; nothing elsewhere."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._is_shown = out.stderr_tty and out.mode is not Mode.QUIET
        self._width = 0

    def show(self, words: str) -> None:
        """Show *words*, which are shorter than any terminal is wide."""
        if self._is_shown:
            # Spaces, not a control sequence: what is no terminal in more than name understands them, too.
            rest = " " * (self._width - len(words))
            click.echo(f"\r{self._out.styled(words, 'dim')}{rest}", err=True, nl=False, color=self._out.colour)
            self._width = len(words)

    def clear(self) -> None:
        """Take it away."""
        if self._width:
            click.echo(f"\r{' ' * self._width}\r", err=True, nl=False)
            self._width = 0


_COLOURS: Mapping[str, str] = {"error": "red", "hint": "cyan", "ok": "green", "warn": "yellow", "fail": "red"}


def terminal() -> Terminal:
    """The drawing module, which costs a tenth of a second to import."""
    return cast("Terminal", importlib.import_module("roundhouse.cli.terminal"))


class _Silent:
    """No bar."""

    def update(self, words: str, done: float, total: float | None) -> None:
        """Say nothing."""


class _Lines:
    """A line for every tenth: what a log file wants."""

    def __init__(self, label: str) -> None:
        self._label, self._last = label, ""

    def update(self, words: str, done: float, total: float | None) -> None:
        """Say where it is, when that is news."""
        step = str(int(done * 10 / total)) if total else words.partition(" ")[0]
        if step != self._last:
            self._last = step
            click.echo(f"{self._label}: {printable(words)}", err=True)
