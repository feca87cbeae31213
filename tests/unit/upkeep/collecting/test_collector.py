from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.upkeep.collecting.conftest import Attic

from roundhouse.core.artifacts import FileName, Plan, PlannedFile, TransferState
from roundhouse.core.errors import DiskError
from roundhouse.testing.builders import a_transfer
from roundhouse.testing.gguf import a_gguf
from roundhouse.transfers.fetch import key_of
from roundhouse.upkeep.collecting.collector import Outcome, Wish
from roundhouse.upkeep.plans import Plans

MONTH = Wish(unused_for=timedelta(days=30))


def reasons(outcome: Outcome) -> dict[str, tuple[bool, str]]:
    """Each model's verdict."""
    return {each.holding.model: (each.removed, each.reason) for each in outcome.verdicts}


async def test_the_plan_is_what_happens(attic: Attic) -> None:
    """What is told is done, byte for byte, and telling does nothing."""
    await attic.add("old", days=40)
    await attic.add("new", days=2)
    attic.put(b"orphan")
    planned = await attic.collector.plan(MONTH)
    assert await attic.names() == ["new", "old"]
    done = await attic.collector.collect(MONTH)
    assert (planned.verdicts, planned.leftovers) == (done.verdicts, done.leftovers)
    assert (await attic.names(), planned.bytes_freed) == (["new"], len(a_gguf(general__name="old")) + len(b"orphan"))


async def test_a_second_time_finds_nothing(attic: Attic) -> None:
    """What could go is gone."""
    await attic.add("old", days=40)
    await attic.collector.collect(MONTH)
    again = await attic.collector.collect(MONTH)
    assert (again.bytes_freed, again.leftovers, attic.files()) == (0, (), set())


async def test_what_stays(attic: Attic) -> None:
    """Pinned, in use, held by a download, from a file: each says why."""
    held = await attic.add("held", days=40)
    for model in ("pinned", "used"):
        await attic.add(model, days=40)
    await attic.add("file", days=40, source="file")
    await attic.marking.pin("pinned", pinned=True)
    attic.in_use.add("used")
    with attic.library.leased([held.files[0].digest]):
        done = await attic.collector.collect(MONTH)
    assert reasons(done) == {
        "held": (False, "a download needs its files"),
        "pinned": (False, "pinned"),
        "used": (False, "in use: it is in memory or answers now"),
        "file": (False, "could not be fetched again: it came from file:"),
    }


async def test_local_ones_go_when_asked(attic: Attic) -> None:
    """Who says so means it."""
    await attic.add("file", days=40, source="file")
    done = await attic.collector.collect(replace(MONTH, include_irreplaceable=True))
    assert reasons(done) == {"file": (True, "not used for 40 days")}


async def test_offline_nothing_can_be_fetched_again(attic: Attic) -> None:
    """Then all models are dear."""
    await attic.add("old", days=40)
    outcome = await attic.make(grace=timedelta(0), offline=True).plan(MONTH)
    assert reasons(outcome) == {"old": (False, "could not be fetched again: Roundhouse is offline")}


async def test_the_quota(attic: Attic) -> None:
    """Models go until the library is small enough, the least worth first."""
    data = {model: a_gguf(bytes(size), general__name=model) for model, size in (("a", 4000), ("b", 8000))}
    await attic.add("a", data["a"], days=3)
    await attic.add("b", data["b"], days=9)
    done = await attic.collector.collect(Wish(quota=len(data["a"])))
    assert (await attic.names(), done.bytes_freed, done.needed) == (["a"], len(data["b"]), len(data["b"]))


async def test_leftovers_count_before_models(attic: Attic) -> None:
    """No model goes when rubbish is enough."""
    await attic.add("a", days=9)
    attic.put(bytes(5000))
    outcome = await attic.collector.plan(Wish(quota=len(a_gguf(general__name="a"))))
    assert (reasons(outcome)["a"][0], outcome.needed) == (False, 5000)


async def test_only_orphans(attic: Attic) -> None:
    """No model is even judged."""
    await attic.add("old", days=40)
    attic.put(b"orphan")
    done = await attic.collector.collect(replace(MONTH, orphans_only=True))
    assert (done.verdicts, done.bytes_freed, await attic.names()) == ((), 6, ["old"])


async def test_young_leftovers_stay(attic: Attic) -> None:
    """They may belong to something under way."""
    attic.put(b"orphan")
    outcome = await attic.make().collect(Wish())
    ((leftover, why),) = outcome.leftovers
    assert (leftover.kind, leftover.path.exists(), outcome.bytes_freed) == ("blob", True, 0)
    assert why is not None
    assert why.endswith("ago; goes when it is 1 hour old")


@pytest.mark.parametrize(("state", "left"), [(TransferState.PAUSED, 3), (TransferState.FAILED, 0)])
async def test_a_download_that_is_not_over_keeps_its_files(attic: Attic, state: TransferState, left: int) -> None:
    """Its plan, its partial file and the blobs that came already; once it is over they are rubbish."""
    blob = attic.put(b"here already")
    whole = PlannedFile(blob.name, blob.size, blob.digest, "x")
    nameless = PlannedFile(FileName("other.gguf"), None, None, "https://example.com/other.gguf")
    await attic.transfers.put(replace(a_transfer("t1"), state=state))
    Plans(attic.library.root / "plans").put("t1", Plan("https:x", "https", "m", "1", (whole, nameless)))
    attic.library.partials.mkdir()
    (attic.library.partials / f"{key_of(nameless, 'https')}.part").write_bytes(b"half")
    await attic.collector.collect(Wish())
    assert len(attic.files()) == left


async def test_an_alias_is_a_warning(attic: Attic) -> None:
    """It goes, and whoever reads the plan knows what that breaks."""
    await attic.add("old", days=40)
    (verdict,) = (await attic.collector.plan(MONTH)).verdicts
    assert (verdict.removed, verdict.holding.warnings) == (True, ("the alias fast stands for it",))


async def test_what_is_used_between_plan_and_deed_stays(attic: Attic) -> None:
    """The second look is right before the deed."""
    for model in ("a", "b"):
        await attic.add(model, days=40)
    planned = await attic.collector.plan(MONTH)
    attic.marking.used("a", attic.clock.now())
    await attic.library.remove("b")
    done = [await attic.collector._execute(verdict, planned.survey) for verdict in planned.verdicts]
    assert {each.holding.model: (each.removed, each.reason) for each in done} == {
        "a": (False, "used meanwhile"),
        "b": (False, "gone already"),
    }


async def test_a_disk_that_refuses(attic: Attic) -> None:
    """Is an error of ours."""
    attic.library.root.write_text("a file where the folder should be")
    with pytest.raises(DiskError, match="the disk refused"):
        await attic.collector.plan(Wish())
