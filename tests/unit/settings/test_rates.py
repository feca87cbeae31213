import pytest

from roundhouse.core.desks.schedule import Window
from roundhouse.settings.values.rates import RATES_BY_SOURCE, SCHEDULE


def test_hours_and_their_rate_are_read() -> None:
    """In order, and shown as they were written."""
    text = "mon-fri 08:00-18:00 5MB/s"
    window = Window(frozenset(range(5)), 480, 1080, 5_000_000, text)
    assert ((window,), [text]) == (SCHEDULE.check([text]), SCHEDULE.show((window,)))


def test_rates_of_sources_are_read() -> None:
    """By name."""
    rates = RATES_BY_SOURCE.check(["hf=1MiB/s", "ollama=none"])
    assert ((("hf", 1 << 20), ("ollama", None)), ["hf=1048576", "ollama=none"]) == (rates, RATES_BY_SOURCE.show(rates))


@pytest.mark.parametrize("raw", [["hf"], ["hf=fast"], ["ftp=1MiB"], [5], "=1"])
def test_rates_that_make_no_sense_are_refused(raw: object) -> None:
    """With the end of a sentence."""
    with pytest.raises(ValueError, match="a list"):
        RATES_BY_SOURCE.check(raw)


@pytest.mark.parametrize("raw", [["always 1MiB"], ["08:00-18:00 fast"], [5]])
def test_hours_that_make_no_sense_are_refused(raw: object) -> None:
    """With the end of a sentence."""
    with pytest.raises(ValueError, match="a list"):
        SCHEDULE.check(raw)
