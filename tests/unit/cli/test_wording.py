from datetime import UTC, datetime, timedelta

import pytest

from roundhouse.cli import wording

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1023, "1.0 KiB"),
        (1 << 30, "1.0 GiB"),
        (500 << 30, "500 GiB"),
        (1 << 60, "1048576 TiB"),
    ],
)
def test_sizes_are_in_binary_units(value: int | None, expected: str) -> None:
    """A size has at most one decimal, and none when it has three digits."""
    assert expected == wording.size(value)


@pytest.mark.parametrize(("value", "expected"), [(None, "-"), (12, "12"), (1_540_000_000, "1.5B"), (2_000, "2.0k")])
def test_counts_are_short(value: int | None, expected: str) -> None:
    """Parameters are told as people tell them."""
    assert expected == wording.count(value)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "-"), (0.41, "0.4 s"), (43.2, "43 s"), (59.7, "1 min 0 s"), (123, "2 min 3 s"), (3900, "1 h 5 min")],
)
def test_durations_have_two_units_at_most(seconds: float | None, expected: str) -> None:
    """A duration is as exact as it is useful."""
    assert expected == wording.duration(seconds)


@pytest.mark.parametrize(("value", "expected"), [(None, "-"), (0.42, "0.4 ms"), (230.4, "230 ms"), (2100, "2.1 s")])
def test_milliseconds_become_seconds(value: float | None, expected: str) -> None:
    """From a second on, seconds are used."""
    assert expected == wording.millis(value)


@pytest.mark.parametrize(
    ("back", "expected"),
    [
        (2, "just now"),
        (40, "40 seconds ago"),
        (60, "1 minute ago"),
        (7200, "2 hours ago"),
        (200_000, "2 days ago"),
        (-5, "just now"),
    ],
)
def test_times_are_relative(back: int, expected: str) -> None:
    """A time is told as how long ago it was; a clock that runs ahead is no reason to be odd."""
    assert expected == wording.ago(NOW - timedelta(seconds=back), NOW)


def test_no_time_is_a_dash() -> None:
    """What never happened was not ago."""
    assert "-" == wording.ago(None, NOW)


@pytest.mark.parametrize(
    ("usd", "expected"), [(None, "-"), (0, "$0"), (12.5, "$12.50"), (0.0123, "$0.0123"), (0.00001, "<$0.0001")]
)
def test_money_keeps_small_amounts_visible(usd: float | None, expected: str) -> None:
    """A price that is not nothing never shows as nothing."""
    assert expected == wording.money(usd)


def test_numbers_agree_with_their_noun() -> None:
    """One model, two models."""
    assert ("1 model", "1,200 models") == (wording.some(1, "model"), wording.some(1200, "model"))


def test_strangers_do_not_steer_the_terminal() -> None:
    """Escape sequences in names and answers are made harmless; line breaks and tabs stay."""
    assert "a\N{REPLACEMENT CHARACTER}[31mb\n\tc" == wording.printable("a\x1b[31mb\n\tc")
