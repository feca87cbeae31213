from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import NOON, a_model

TINY, BIG, REMOTE = "acme/tiny:Q4_K_M", "acme/big", "gpt-4o-mini"


@pytest.fixture
def filled(server: FakeServer) -> FakeServer:
    """A server with an old model, one that was used yesterday, and one of somebody else."""
    server.management.catalog = [
        replace(a_model(TINY), last_used_at=NOON - timedelta(days=40), times_used=7),
        replace(a_model(BIG), last_used_at=NOON - timedelta(days=1), times_used=1, size=1 << 40, tags=("slow",)),
        a_model(REMOTE, local=False),
    ]
    return server


def test_pin_and_unpin(run: Run, filled: FakeServer) -> None:
    """Several at once; what is said about them now is told."""
    assert [[TINY, "yes", "-"], [BIG, "yes", "slow"]] == run("models", "pin", TINY, BIG).rows[1:]
    assert [True, True, False] == [model.pinned for model in filled.management.catalog]
    assert run("models", "unpin", TINY, "--json").json["pinned"] is False


@pytest.mark.usefixtures("filled")
def test_tags_are_put_on_and_taken_off(run: Run) -> None:
    """With a plus, without, and with a minus, which is no option even where its letters are."""
    assert ["fast", "quick"] == run("models", "tag", TINY, "+fast", "quick", "--json").json["tags"]
    assert ["fast", "new"] == run("models", "tag", TINY, "-quick", "+new", "--json").json["tags"]
    assert f"{TINY}\n" == run("models", "untag", TINY, "new", "-q").out


@pytest.mark.usefixtures("filled")
def test_ls_by_tag(run: Run) -> None:
    """Only those that have it; when there is none, how to have one."""
    assert f"{BIG}\n" == run("models", "ls", "--tag", "slow", "--quiet").out
    outcome = run("models", "ls", "--tag", "none")
    assert (0, "") == (outcome.code, outcome.out)
    assert "no models are tagged none" in outcome.err


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("sort", "names"), [("name", [BIG, TINY, REMOTE]), ("size", [BIG, TINY, REMOTE]), ("used", [BIG, TINY, REMOTE])]
)
def test_ls_sorted(run: Run, sort: str, names: list[str]) -> None:
    """Largest and latest first, in every form of output."""
    assert names == run("models", "ls", "--sort", sort, "--quiet").out.split()
    assert names == [model["name"] for model in run("models", "ls", "--sort", sort, "--json").json["models"]]


@pytest.mark.usefixtures("filled")
def test_uses_are_listed_and_shown(run: Run) -> None:
    """When, and how often."""
    header, *rows = run("models", "ls").rows
    assert [["1", "slow"], ["7", ""]] == [row[header.index("uses") : header.index("also as")] for row in rows[:2]]
    assert "last used\t2026-03-25T12:00:00+00:00\n" in run("models", "show", TINY).out
    assert "last used\tnever\n" in run("models", "show", REMOTE).out


def test_gc_tells_what_goes_and_why(run: Run, filled: FakeServer) -> None:
    """A dry run removes nothing; --verbose tells what stays, too."""
    outcome = run("models", "gc", "--unused-for", "30d", "--dry-run")
    assert [TINY, "1117320736"] == outcome.rows[1][:2]
    assert "would free 1.0 GiB" in outcome.err
    assert f"{BIG}\t" not in outcome.out
    assert f"{BIG}\t" in run("models", "gc", "--unused-for", "30d", "--dry-run", "--verbose").out
    assert len(filled.management.catalog) == 3


def test_gc_removes(run: Run, filled: FakeServer) -> None:
    """Without a terminal nobody is asked."""
    outcome = run("models", "gc", "--unused-for", "30d", "--json")
    assert [TINY] == [each["model"] for each in outcome.json["models"] if each["removed"]]
    assert [BIG, REMOTE] == [model.name for model in filled.management.catalog]


@pytest.mark.usefixtures("filled")
def test_nothing_to_clean_up(run: Run) -> None:
    """Is said, and is no error."""
    outcome = run("models", "gc")
    assert (0, "") == (outcome.code, outcome.out)
    assert "nothing to clean up" in outcome.err
    assert "2 models kept" in outcome.err


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(("option", "value"), [("--unused-for", "soon"), ("--quota", "much"), ("--min-free", "-1")])
def test_gc_refuses_nonsense(run: Run, option: str, value: str) -> None:
    """Before anything is asked."""
    outcome = run("models", "gc", option, value)
    assert outcome.code == 2
    assert f"{option} must be a " in outcome.err
