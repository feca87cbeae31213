"""Following what happens over any number of breaks: nothing twice, nothing left out, or it is said."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import event, given
from hypothesis import strategies as st

from roundhouse.core.desks.events import Wish
from roundhouse.core.events import ArtifactAdded
from roundhouse.telemetry.feed import Feed, FeedLimits
from roundhouse.testing.clock import FakeClock

#: How many events happen while nobody listens, how many while somebody does, and how many of all that are read.
BREAKS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 20)), max_size=12)


@dataclass
class Follower:
    """Somebody who loses the connection again and again."""

    feed: Feed = field(default_factory=lambda: Feed(FakeClock(), FeedLimits(kept=5, heartbeat_s=60)))
    last: str = ""
    happened: int = 0
    heard: list[int] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)

    def happen(self, count: int) -> None:
        """Let *count* events happen."""
        for _ in range(count):
            self.happened += 1
            self.feed.publish(ArtifactAdded(str(self.happened)))

    async def listen(self, there: int, most: int) -> None:
        """Go on after the last one, while *there* events happen, and read *most* of what is told."""
        with self.feed.listen(Wish(after=self.last)) as events:
            self.happen(there)
            while most and self.last != self.feed.last_id:
                told = await anext(events)
                if told.type == "stream.reset":
                    self.gone.update(range(number(self.last) + 1, number(told.id) + 1))
                elif told.type == "model.added":
                    self.heard.append(int(json.loads(told.body)["data"]["model"]))
                self.last, most = told.id, most - 1
                if told.type == "stream.dropped":
                    return

    async def follow(self, breaks: Iterable[tuple[int, int, int]]) -> None:
        """Follow over *breaks*, and then to the end."""
        self.last = self.feed.last_id
        for away, there, most in breaks:
            self.happen(away)
            await self.listen(there, most)
        while self.last != self.feed.last_id:
            await self.listen(0, 100)


def number(id_: str) -> int:
    """The number in an id."""
    return int(id_.partition("-")[2])


@given(BREAKS)
def test_every_event_is_heard_once_or_said_to_be_gone(breaks: list[tuple[int, int, int]]) -> None:
    """What is heard is in order and without a duplicate; what is not heard lies in a gap that was told."""
    follower = Follower()
    asyncio.run(follower.follow(breaks))
    event("with gaps" if follower.gone else "without gaps")
    assert follower.heard == sorted(set(follower.heard))
    assert set(follower.heard) | follower.gone == set(range(1, follower.happened + 1))
    assert not set(follower.heard) & follower.gone
