from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.cli.commands.usage import _start
from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import a_request

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def used(server: FakeServer) -> FakeServer:
    """A server that was asked twice, once in vain."""
    server.management.records = [a_request("r-1"), a_request("r-2", model=None, outcome="E_NOROUTE")]
    return server


@pytest.mark.usefixtures("used")
def test_usage_adds_up_by_model(run: Run) -> None:
    """Requests and failures per model."""
    assert {("acme/tiny:Q4_K_M", "1", "0"), ("none", "1", "1")} == {tuple(row[:3]) for row in run("usage").rows[1:]}


@pytest.mark.usefixtures("used")
def test_usage_by_day(run: Run) -> None:
    """The first column is what was asked for."""
    assert [["day", "requests"], ["2026-05-04", "2"]] == [row[:2] for row in run("usage", "--by", "day").rows]


@pytest.mark.usefixtures("used")
def test_usage_since_leaves_out_what_is_older(run: Run) -> None:
    """--since is part of the question."""
    assert [] == run("usage", "--since", "2027-01-01", "--json").json["rows"]


@pytest.mark.usefixtures("used")
def test_last_lists_requests_one_by_one(run: Run) -> None:
    """Who answered and how it ended."""
    outcome = run("usage", "--last", "5")
    assert {"local/acme/tiny:Q4_K_M", "-"} == {row[2] for row in outcome.rows[1:]}
    assert {"ok", "E_NOROUTE"} == {row[3] for row in outcome.rows[1:]}


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("words", [[], ["--last", "3"]])
def test_no_usage_names_the_next_command(run: Run, words: list[str]) -> None:
    """Nothing asked yet: how to ask."""
    assert "roundhouse chat auto" in run("usage", *words).err


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("30m", NOW - timedelta(minutes=30)),
        ("7d", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-01-31T00:00:00+00:00", datetime(2026, 1, 31, tzinfo=UTC)),
    ],
)
def test_since_understands_spans_and_dates(since: str, expected: datetime) -> None:
    """A span back from now, or a moment."""
    assert expected == _start(since, NOW)


@pytest.mark.parametrize("since", ["yesterday", "7y", "999999w"])
def test_since_that_is_no_time_is_a_usage_error(run: Run, since: str) -> None:
    """The error shows how to write it."""
    outcome = run("usage", "--since", since)
    assert 2 == outcome.code
    assert "write 30m, 24h, 7d" in outcome.err
