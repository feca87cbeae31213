"""Numbers and times as people read them."""

from datetime import timedelta

import pytest

from roundhouse.core.views import TokenPrice
from roundhouse.testing.management_service import NOON
from roundhouse.web import format as formats


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, formats.NOTHING),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1_117_320_736, "1.04 GiB"),
        (1023 * 1024**2, "1023 MiB"),
        (5 * 1024**5, "5120 TiB"),
    ],
)
def test_size(count: int | None, text: str) -> None:
    """Bytes are counted in binary units."""
    assert formats.size(count) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, formats.NOTHING),
        (512, "512"),
        (8192, "8k"),
        (32_768, "32k"),
        (128_000, "128k"),
        (1_048_576, "1.05M"),
        (9_999, "9,999"),
        (110_000, "110k"),
        (1_540_000_000, "1.54B"),
        (2 * 10**12, "2T"),
    ],
)
def test_count(number: int | None, text: str) -> None:
    """Powers of two keep their short name."""
    assert formats.count(number) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, formats.NOTHING),
        (0.3, "0.3 ms"),
        (9.94, "9.9 ms"),
        (212.4, "212 ms"),
        (1840, "1.84 s"),
        (123_000, "2 min 3 s"),
    ],
)
def test_duration(milliseconds: float | None, text: str) -> None:
    """Three digits are enough."""
    assert formats.duration(milliseconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "just now"), (4, "just now"), (59, "59 s ago"), (60, "1 min ago"), (7300, "2 h ago"), (200_000, "2 d ago")],
)
def test_ago(seconds: int, text: str) -> None:
    """Times are told from now; a clock that went back is no surprise."""
    assert formats.ago(NOON)(NOON - timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(("usd", "text"), [(None, "unknown"), (0.0, "free"), (0.0012, "$0.0012"), (1.5, "$1.50")])
def test_cost(usd: float | None, text: str) -> None:
    """Unknown is not free."""
    assert formats.cost(usd) == text


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (None, "price unknown"),
        (TokenPrice(0, 0), "free"),
        (TokenPrice(0.15, 0.6), "$0.15 in, $0.60 out per million tokens"),
    ],
)
def test_price(price: TokenPrice | None, text: str) -> None:
    """Prices are told per million tokens."""
    assert formats.price(price) == text
