"""What happens, kept for a while: what each listener is told, in which order, and when it is told no more."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from roundhouse.core.desks.events import EventType, StreamType, Told, Wish
from roundhouse.core.errors import LimitError, SchemaError
from roundhouse.core.events import (
    ArtifactAdded,
    ArtifactRemoved,
    ArtifactVerified,
    BackendDegraded,
    BackendLost,
    BackendRecovered,
    BackendRestored,
    BreakerClosed,
    BreakerOpened,
    ResidencyChanged,
    TransferChanged,
    TransferMoved,
)
from roundhouse.telemetry.feed import Feed, FeedLimits
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.management_service import a_transfer

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "events.md"
FAST = FeedLimits(kept=4, listeners=2, heartbeat_s=0.01)


@pytest.fixture
def feed() -> Feed:
    """Build one that keeps four events."""
    return Feed(FakeClock(), FAST)


async def told(heard: AsyncIterator[Told], count: int) -> list[Told]:
    """Take the next *count* that are no heartbeats."""
    taken: list[Told] = []
    async with asyncio.timeout(5):
        while len(taken) < count:
            each = await anext(heard)
            if each.type != "stream.heartbeat":
                taken.append(each)
    return taken


@pytest.mark.parametrize("type_", [*get_args(EventType), *get_args(StreamType)])
def test_every_type_is_explained(type_: str) -> None:
    """Where people look for what they may hear."""
    assert f"`{type_}`" in PAGE.read_text(encoding="utf-8")


async def test_everything_is_told_in_order_with_numbers_that_grow(feed: Feed) -> None:
    """First that the feed is open, then each event as it came."""
    with feed.listen(Wish()) as heard:
        feed.publish(ArtifactAdded("a"))
        feed.publish(ResidencyChanged("local", "a", loaded=True))
        feed.publish(ArtifactVerified("a", ok=True, quick=False))
        all_told = await told(heard, 4)
    assert [each.type for each in all_told] == ["stream.ready", "model.added", "backend.residency", "model.verified"]
    assert [each.id.partition("-")[2] for each in all_told] == ["0", "1", "2", "3"]


async def test_an_event_is_one_json_object(feed: Feed) -> None:
    """Id, type, time and data."""
    with feed.listen(Wish()) as heard:
        feed.publish(ArtifactRemoved("acme/tiny"))
        body = json.loads((await told(heard, 2))[1].body)
    assert body == {
        "id": feed.last_id,
        "type": "model.removed",
        "at": "2030-01-01T00:00:00Z",
        "data": {"model": "acme/tiny"},
    }


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish(("transfer",)), ["transfer.changed", "transfer.progress"]),
        (Wish(("model.added", "backend")), ["model.added", "backend.residency"]),
        (Wish(transfer="t-1"), ["transfer.changed", "transfer.progress"]),
        (Wish(model="b"), ["backend.residency"]),
        (Wish(("model",), model="b"), []),
    ],
)
async def test_a_listener_is_told_what_it_wants(feed: Feed, wish: Wish, expected: list[str]) -> None:
    """By type, topic, transfer and model; all that is given must fit."""
    with feed.listen(wish) as heard:
        feed.publish(ArtifactAdded("a"))
        feed.publish(TransferChanged(replace(a_transfer(), id="t-1", model="c")))
        feed.publish(ResidencyChanged("local", "b", loaded=True))
        feed.publish(TransferMoved(replace(a_transfer(), id="t-1", model="c")))
        feed.close()
        types = [each.type async for each in heard]
    assert types == ["stream.ready", *expected, "stream.closing"]


@pytest.mark.parametrize("types", [("models",), ("",), ("transfer.",), ("stream.ready",)])
def test_a_type_that_does_not_exist_is_refused(feed: Feed, types: tuple[str, ...]) -> None:
    """A listener that would never hear anything is told so, with what there is."""
    with pytest.raises(SchemaError) as caught, feed.listen(Wish(types)):
        pass
    assert "transfer.progress" in str(caught.value.hint)


async def test_only_the_latest_progress_of_a_transfer_is_kept(feed: Feed) -> None:
    """However much it moves, it pushes nothing out, and a late listener is told where it is now."""
    before = feed.last_id
    feed.publish(ArtifactAdded("a"))
    for done in range(100):
        feed.publish(TransferMoved(replace(a_transfer(), bytes_done=done)))
    with feed.listen(Wish(after=before)) as heard:
        _, added, moved = await told(heard, 3)
    assert (added.type, json.loads(moved.body)["data"]["bytes_done"], moved.id) == ("model.added", 99, feed.last_id)


async def test_a_change_of_state_takes_the_place_of_progress(feed: Feed) -> None:
    """What is over is not told as moving."""
    feed.publish(TransferMoved(a_transfer()))
    feed.publish(TransferChanged(replace(a_transfer(), state="done")))
    with feed.listen(Wish(after=feed.last_id.partition("-")[0] + "-0")) as heard:
        feed.close()
        types = [each.type async for each in heard]
    assert types == ["stream.ready", "transfer.changed", "stream.closing"]


async def test_a_slow_listener_is_dropped_and_told_so(feed: Feed) -> None:
    """Whoever has missed an event hears no later one, only that it was too slow."""
    with feed.listen(Wish()) as heard:
        await told(heard, 1)
        for number in range(FAST.kept + 1):
            feed.publish(ArtifactAdded(f"m{number}"))
        rest = [each async for each in heard]
    assert [each.type for each in rest] == ["stream.dropped"]
    assert rest[0].id.endswith("-0")


async def test_a_listener_as_slow_as_may_be_misses_nothing(feed: Feed) -> None:
    """What is kept is told, to the last one."""
    with feed.listen(Wish()) as heard:
        await told(heard, 1)
        for number in range(FAST.kept):
            feed.publish(ArtifactAdded(f"m{number}"))
        assert [json.loads(each.body)["data"]["model"] for each in await told(heard, 4)] == ["m0", "m1", "m2", "m3"]


async def test_silence_is_broken_by_heartbeats_that_carry_the_place(feed: Feed) -> None:
    """Also of a listener to whom nothing that happens is told, so that it can go on from there."""
    with feed.listen(Wish(("backend",))) as heard:
        await told(heard, 1)
        feed.publish(ArtifactAdded("a"))
        async with asyncio.timeout(5):
            beat = await anext(heard)
    assert (beat.type, beat.id) == ("stream.heartbeat", feed.last_id)


@pytest.mark.parametrize(
    ("after", "reason"), [("0-3", "restarted"), ("{epoch}-0", "overrun"), ("{epoch}-99", "unknown")]
)
async def test_what_cannot_be_gone_on_with_is_said(feed: Feed, after: str, reason: str) -> None:
    """A gap is told with its reason, and what is still kept follows."""
    for number in range(6):
        feed.publish(ArtifactAdded(f"m{number}"))
    with feed.listen(Wish(after=after.format(epoch=feed.last_id.partition("-")[0]))) as heard:
        reset, *kept = await told(heard, 5)
    assert (reset.type, json.loads(reset.body)["data"]["reason"]) == ("stream.reset", reason)
    assert [json.loads(each.body)["data"]["model"] for each in kept] == ["m2", "m3", "m4", "m5"]


@pytest.mark.parametrize("after", ["", "7", "x-", "x-y", "-", "a-\N{SUPERSCRIPT TWO}", "a-" + "1" * 80])
def test_what_is_no_id_is_refused(feed: Feed, after: str) -> None:
    """Nonsense is not taken for an old event."""
    with pytest.raises(SchemaError), feed.listen(Wish(after=after)):
        pass


def test_there_may_be_so_many_listeners_and_no_more(feed: Feed) -> None:
    """The one too many is told; when another one has left, there is a place."""
    with feed.listen(Wish()):
        with feed.listen(Wish()), pytest.raises(LimitError), feed.listen(Wish()):
            pass
        assert feed.heard.is_set()
        with feed.listen(Wish()):
            pass
    assert not feed.heard.is_set()


async def test_two_listeners_do_not_wait_for_each_other(feed: Feed) -> None:
    """One that does not listen holds up neither the other nor who publishes."""
    with feed.listen(Wish()) as asleep, feed.listen(Wish()) as awake:
        await told(asleep, 1)
        await told(awake, 1)
        for number in range(20):
            feed.publish(ArtifactAdded(f"m{number}"))
            assert [each.type for each in await told(awake, 1)] == ["model.added"]
        assert [each.type for each in await told(asleep, 1)] == ["stream.dropped"]


async def test_what_becomes_slow_is_told(feed: Feed) -> None:
    """And when it is over."""
    with feed.listen(Wish(("backend",), model="m")) as heard:
        feed.publish(BackendDegraded("a", "m", 0.4))
        feed.publish(BackendRestored("a", "m"))
        bodies = [json.loads(each.body) for each in (await told(heard, 3))[1:]]
    assert [(body["type"], body["data"]) for body in bodies] == [
        ("backend.degraded", {"backend": "a", "model": "m", "share": 0.4}),
        ("backend.restored", {"backend": "a", "model": "m", "share": 1.0}),
    ]


async def test_what_becomes_of_backends_is_told(feed: Feed) -> None:
    """Breakers that open and close, backends that are lost and found."""
    with feed.listen(Wish(("backend",))) as heard:
        feed.publish(BreakerOpened("a", "m", 10.0))
        feed.publish(BreakerClosed("a", None))
        feed.publish(BackendLost("a", "no answer"))
        feed.publish(BackendRecovered("a"))
        bodies = [json.loads(each.body) for each in (await told(heard, 5))[1:]]
    assert [body["type"] for body in bodies] == [
        "backend.breaker",
        "backend.breaker",
        "backend.lost",
        "backend.recovered",
    ]
    assert bodies[0]["data"] == {"backend": "a", "model": "m", "open": True, "open_s": 10.0}
    assert bodies[2]["data"]["reason"] == "no answer"
