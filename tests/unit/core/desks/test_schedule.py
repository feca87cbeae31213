from datetime import datetime

import pytest

from roundhouse.core.desks.schedule import Window, holding, take_apart

#: A Monday.
MONDAY = "2026-01-05"


def a_window(text: str) -> Window:
    """That line, with a rate of 7."""
    days, begin, end, _ = take_apart(text)
    return Window(days, begin, end, 7, text)


@pytest.mark.parametrize(
    ("text", "moment", "expected"),
    [
        ("08:00-18:00 x", f"{MONDAY} 08:00", True),
        ("08:00-18:00 x", f"{MONDAY} 18:00", False),
        ("mon 08:00-18:00 x", f"{MONDAY} 12:00", True),
        ("tue-sun 08:00-18:00 x", f"{MONDAY} 12:00", False),
        ("sat-mon 08:00-18:00 x", f"{MONDAY} 12:00", True),
        ("sun 22:00-06:00 x", f"{MONDAY} 05:59", True),
        ("sun 22:00-06:00 x", f"{MONDAY} 06:00", False),
        ("mon 22:00-06:00 x", f"{MONDAY} 05:00", False),
        ("mon 22:00-24:00 x", f"{MONDAY} 23:59", True),
    ],
)
def test_hours_hold_on_their_days(text: str, moment: str, *, expected: bool) -> None:
    """The end is not inside; a night belongs to the day that it begins on."""
    assert expected == a_window(text).holds(datetime.fromisoformat(moment))


def test_the_first_line_that_fits_counts() -> None:
    """And none may."""
    windows = [a_window("mon 08:00-09:00 x"), a_window("08:00-18:00 x")]
    moments = [datetime.fromisoformat(f"{MONDAY} {hour}") for hour in ("08:30", "12:00", "20:00")]
    assert [*windows, None] == [holding(windows, moment) for moment in moments]


@pytest.mark.parametrize("text", ["", "8-18 x", "08:00-18:00", "xyz 08:00-18:00 x", "25:00-26:00 x", "08:60-09:00 x"])
def test_what_makes_no_sense_is_refused(text: str) -> None:
    """With a ValueError."""
    with pytest.raises(ValueError, match=r".*"):
        take_apart(text)
