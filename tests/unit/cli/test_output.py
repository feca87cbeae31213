from datetime import UTC, datetime

import pytest

from roundhouse.cli.output import Cell, Column, Mode, Output, Table

TABLE = Table((Column("name"), Column("size", right=True)), [["a", Cell("1.0 KiB", 1024)], ["b\tc", "-"]])


def output(mode: Mode = Mode.HUMAN) -> Output:
    """An output into pipes."""
    return Output(mode, stdout_tty=False, stderr_tty=False, colour=False)


def test_a_pipe_gets_tab_separated_raw_values(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs get numbers, one row per line, and no tab inside a value."""
    output().result({}, [TABLE], [])
    assert "name\tsize\na\t1024\nb c\t-\n" == capsys.readouterr().out


def test_empty_tables_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing found is an empty output, not a head without rows."""
    output().result({}, [Table(TABLE.columns, [])], [])
    assert "" == capsys.readouterr().out


def test_json_is_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the tables do not matter."""
    output(Mode.JSON).result({"é": 1}, [TABLE], ["a"])
    assert '{"é": 1}\n' == capsys.readouterr().out


def test_quiet_is_the_ids(capsys: pytest.CaptureFixture[str]) -> None:
    """With --quiet one name per line, and no talk."""
    out = output(Mode.QUIET)
    out.result({}, [TABLE], ["a", "b"])
    out.say("talk")
    out.then("more talk", "command")
    assert ("a\nb\n", "") == capsys.readouterr()


def test_talk_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Stdout is data only; the next command stands on the same line without a terminal."""
    out = output()
    out.say("hello\x1b[2J")
    out.then("go on", "roundhouse up")
    assert ("", "hello\N{REPLACEMENT CHARACTER}[2J\ngo on: roundhouse up\n") == capsys.readouterr()


def test_a_time_is_iso_in_a_pipe() -> None:
    """Relative times are for people."""
    then = datetime(2026, 5, 4, tzinfo=UTC)
    assert "2026-05-04T00:00:00+00:00" == Cell("1 day ago", then).plain


def test_progress_without_a_terminal_is_a_line_per_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    """A log file gets a few lines, not thousands."""
    with output().progress("pulling") as bar:
        for done in range(100):
            bar.update(f"{done} %", done, 100)
    assert 10 == len(capsys.readouterr().err.splitlines())


def test_progress_with_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    """--quiet means it."""
    with output(Mode.QUIET).progress("pulling") as bar:
        bar.update("1 %", 1, 100)
    assert ("", "") == capsys.readouterr()
