import dataclasses

import pytest

from roundhouse.core.errors import SchemaError
from roundhouse.gateway.headers import of, priority
from roundhouse.serving.attempts import Served
from roundhouse.testing.serving import DEPLOYMENT


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("owner/repo:Q4_K_M", b"owner/repo:Q4_K_M"),
        ("a\r\nx-evil: 1", b"a%0D%0Ax-evil: 1"),
        ("модель", b"%D0%BC%D0%BE%D0%B4%D0%B5%D0%BB%D1%8C"),
        ("100%", b"100%25"),
        ("\ud800", b"?"),
    ],
)
def test_names_cannot_break_a_header(model: str, expected: bytes) -> None:
    """A backend may call its models anything; it does not get to write headers."""
    served = Served("id", dataclasses.replace(DEPLOYMENT, model=model), 1, 0.0, None)
    assert dict(of(served))[b"x-roundhouse-model"] == expected


def test_unknown_cost_is_not_told() -> None:
    """Zero is free; unknown is silent."""
    costs = {
        cost: dict(of(Served("id", DEPLOYMENT, 1, 0.0, cost))).get(b"x-roundhouse-cost-usd") for cost in (None, 0.0)
    }
    assert costs == {None: None, 0.0: b"0.000000000"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"high", 80), (b" Normal ", 50), (b"low", 20), (b"0", 0), (b"100", 100), (b"7", 7)],
)
def test_a_priority_is_a_word_or_a_number(value: bytes, expected: int) -> None:
    """The higher, the sooner."""
    assert expected == priority([(b"accept", b"*/*"), (b"x-roundhouse-priority", value)])


def test_who_does_not_say_is_normal() -> None:
    """Fifty."""
    assert priority([(b"accept", b"*/*")]) == 50


@pytest.mark.parametrize("value", [b"", b"101", b"-1", b"urgent", b"1.5", "²".encode(), b"9" * 5_000])
def test_other_priorities_are_refused(value: bytes) -> None:
    """By the name of the header."""
    with pytest.raises(SchemaError, match="x-roundhouse-priority"):
        priority([(b"x-roundhouse-priority", value)])


def test_time_in_the_queue_is_told_of_those_who_were_in_it() -> None:
    """In milliseconds."""
    queued, at_once = Served("id", DEPLOYMENT, 1, 0.0, None, 12.5), Served("id", DEPLOYMENT, 1, 0.0, None)
    assert dict(of(queued))[b"x-roundhouse-queued-ms"] == b"12.500"
    assert b"x-roundhouse-queued-ms" not in dict(of(at_once))
