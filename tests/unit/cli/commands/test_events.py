"""``roundhouse events``."""

import json

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.core.events import (
    ArtifactAdded,
    ArtifactVerified,
    BackendDegraded,
    BackendRestored,
    ResidencyChanged,
    TransferChanged,
)
from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import a_transfer


@pytest.fixture
def past(server: FakeServer) -> str:
    """Let something of each kind have happened, and the feed have ended; the id before."""
    feed = server.management.feed
    before = feed.last_id
    feed.publish(ArtifactAdded("acme/tiny"))
    feed.publish(ArtifactVerified("acme/tiny", ok=False, quick=True))
    feed.publish(ResidencyChanged("local", "acme/tiny", loaded=True))
    feed.publish(TransferChanged(a_transfer(state="failed")))
    feed.close()
    return before


def test_each_event_is_a_line(run: Run, past: str) -> None:
    """When, what, and of what; the feed's own words are talk."""
    outcome = run("events", "--after", past)
    assert [line.split()[1:3] for line in outcome.out.splitlines()] == [
        ["model.added", "acme/tiny"],
        ["model.verified", "acme/tiny"],
        ["backend.residency", "acme/tiny"],
        ["transfer.changed", "acme/tiny:Q4_K_M"],
    ]
    assert "DAMAGED (looked at)" in outcome.out
    assert "failed, 40 %" in outcome.out
    assert ("stopping" in outcome.err, outcome.code) == (True, 0)


def test_json_is_one_event_per_line(run: Run, past: str) -> None:
    """As the server tells them, with the words of the feed."""
    outcome = run("events", "--after", past, "--type", "model", "--json")
    types = [json.loads(line)["type"] for line in outcome.out.splitlines()]
    assert types == ["stream.ready", "model.added", "model.verified", "stream.closing"]


def test_quiet_prints_names(run: Run, past: str) -> None:
    """Bare, and nothing else."""
    outcome = run("events", "--after", past, "--model", "acme/tiny", "--quiet")
    assert (outcome.out.split(), outcome.err) == (["acme/tiny"] * 3, "")


@pytest.mark.usefixtures("server")
def test_a_wrong_type_is_told_with_the_right_ones(run: Run) -> None:
    """The hint names what there is."""
    outcome = run("events", "--type", "downloads")
    assert (outcome.code, "transfer.progress" in outcome.err) == (2, True)


def test_without_a_server_there_is_nothing_to_follow(run: Run) -> None:
    """And none is started for it."""
    outcome = run("events")
    assert (outcome.code, "roundhouse up" in outcome.err) == (2, True)


def test_what_becomes_slow_is_said_in_words(run: Run, server: FakeServer) -> None:
    """Who, and by how much."""
    feed = server.management.feed
    before = feed.last_id
    feed.publish(BackendDegraded("a", "tiny", 0.4))
    feed.publish(BackendRestored("a", "tiny"))
    feed.close()
    slow, well = run("events", "--after", before).out.splitlines()
    assert slow.endswith("backend.degraded   a/tiny  much slower than when it is well: 40%")
    assert well.endswith("a/tiny  about as quick as when it is well")
