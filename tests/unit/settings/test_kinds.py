import pytest

from roundhouse.settings import kinds
from roundhouse.settings.kinds import Kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [("4096", 4096), ("32MiB", 32 << 20), ("2 GB", 2_000_000_000), ("1.5g", 3 << 29), ("10kb", 10_000), ("7B", 7)],
)
def test_sizes_come_in_binary_and_decimal_units(text: str, expected: int) -> None:
    """IEC units and bare letters count in 1024, SI units in 1000."""
    assert expected == kinds.size_of(text)


@pytest.mark.parametrize("text", ["", "big", "12 parsecs", "-1", "1..5G", "MiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """A size that cannot be read is refused with an example of one that can."""
    with pytest.raises(ValueError, match="32MiB"):
        kinds.size_of(text)


@pytest.mark.parametrize(("value", "expected"), [(32 << 20, "32MiB"), (0, "0"), (1500, "1500"), (1 << 40, "1TiB")])
def test_sizes_are_shown_in_the_largest_exact_unit(value: int, expected: str) -> None:
    """A size is never rounded when it is written down."""
    assert expected == kinds.size_text(value)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (kinds.TEXT, 3),
        (kinds.TEXT, " "),
        (kinds.TEXT, "a\x1bb"),
        (kinds.VARIABLE, "sk-proj-1234"),
        (kinds.VARIABLE, "$KEY"),
        (kinds.VARIABLE, 3),
        (kinds.one_of("a", "b"), "c"),
        (kinds.whole(0, 10), 11),
        (kinds.whole(0, 10), True),
        (kinds.whole(0, 10), "3"),
        (kinds.number(0, 1), 1.5),
        (kinds.number(0, 1), float("nan")),
        (kinds.number(0, 1), False),
        (kinds.SWITCH, "yes"),
        (kinds.SIZE, -1),
        (kinds.SIZE, True),
        (kinds.SIZE, 1.5),
        (kinds.URL, "ftp://example.org"),
        (kinds.URL, "http://me:secret@example.org"),
        (kinds.URL, "http://example.org:port"),
        (kinds.URL, "http://box..lan:8000"),
        (kinds.URL, f"http://{'a' * 64}.lan"),
        (kinds.URL, 8080),
        (kinds.DATABASE, "mysql://example.org/db"),
        (kinds.NAMES, [1]),
        (kinds.NAMES, [""]),
        (kinds.NAMES, {"a": 1}),
    ],
)
def test_values_that_do_not_fit_are_refused(kind: Kind, raw: object) -> None:
    """TOML of the wrong type or out of range is no value."""
    with pytest.raises(ValueError, match=r".+"):
        kind.check(raw)


@pytest.mark.parametrize(
    ("kind", "text"), [(kinds.whole(0, 10), "ten"), (kinds.number(0, 1), "half"), (kinds.SWITCH, "maybe")]
)
def test_text_that_cannot_be_read_is_refused(kind: Kind, text: str) -> None:
    """A variable or a flag that is no number, or neither true nor false, is refused."""
    with pytest.raises(ValueError, match=r".+"):
        kind.from_text(text)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (kinds.SWITCH, "Yes", True),
        (kinds.SWITCH, "0", False),
        (kinds.NAMES, "a, b,", ("a", "b")),
        (kinds.URL, "http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        (kinds.URL, "http://[::1]:8080", "http://[::1]:8080"),
        (kinds.URL, "http://box.lan.", "http://box.lan."),
        (kinds.URL, f"http://{'a' * 63}.lan", f"http://{'a' * 63}.lan"),
        (kinds.SIZE_OR_AUTO, "auto", None),
        (kinds.whole_or_auto(0, 9), "auto", None),
        (kinds.whole_or_auto(0, 9), 7, 7),
        (kinds.SIZE_OR_AUTO, "1GiB", 1 << 30),
    ],
)
def test_text_becomes_a_value(kind: Kind, text: str, expected: object) -> None:
    """What variables and flags say is read as the kind demands."""
    assert expected == kind.check(kind.from_text(text))


def test_a_database_address_is_shown_without_its_password() -> None:
    """The user stays readable, the password does not."""
    assert "postgresql://me:***@db:5432/x" == kinds.without_password("postgresql://me:pw@db:5432/x")


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", 2_592_000), ("12h", 43_200), ("90min", 5_400), ("2 w", 1_209_600), ("1.5s", 1.5)]
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    """A number with its unit, shown in the largest one that fits."""
    assert kinds.span_of(text) == seconds
    assert kinds.span_of(kinds.span_text(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1y", "1m", "9" * 400 + "d"])
def test_what_is_no_length_of_time(text: str) -> None:
    """Months and minutes are not told apart by one letter."""
    with pytest.raises(ValueError, match="a length of time such as"):
        kinds.span_of(text)
