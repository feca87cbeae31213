"""What happens, kept for a while and told to whoever listens, each at their own pace.

Knows nothing about HTTP. A listener holds no queue, only the number of the last event it was told: the one that tells
never waits for anybody, and memory is the same for one listener as for all. Of the progress of a transfer only the
latest is kept, so it pushes nothing else out. One event loop: nothing here is for threads.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import get_args

import msgspec

from roundhouse.core.clock import Clock
from roundhouse.core.desks.events import (
    BackendNews,
    BreakerNews,
    EventType,
    EventView,
    ModelNews,
    PaceNews,
    ResidencyNews,
    StreamNews,
    StreamType,
    Told,
    VerificationNews,
    Wish,
)
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
    Event,
    ResidencyChanged,
    TransferChanged,
    TransferForgotten,
    TransferMoved,
)
from roundhouse.core.views import TransferView

_TYPES: frozenset[str] = frozenset(get_args(EventType))
_TOPICS = frozenset(each.partition(".")[0] for each in _TYPES)
_GAPS = {
    "restarted": "Roundhouse was started again since then",
    "overrun": "more has happened since then than is kept",
    "unknown": "there was no such event",
}
_OF_TRANSFERS: Mapping[type, EventType] = {
    TransferChanged: "transfer.changed",
    TransferMoved: "transfer.progress",
    TransferForgotten: "transfer.removed",
}
_OfPace = BackendDegraded | BackendRestored
_OfBackend = _OfPace | BackendLost | BackendRecovered | BreakerClosed | BreakerOpened | ResidencyChanged
_Data = TransferView | VerificationNews | ResidencyNews | ModelNews | BreakerNews | BackendNews | PaceNews


#: Seconds that listeners get to hear that it is over.
LAST_WORD_S = 0.5


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """How much is kept, and for how many."""

    #: Events that can be gone on after; progress is not counted.
    kept: int = 1024
    listeners: int = 64
    heartbeat_s: float = 15.0


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    told: Told
    transfer: str | None
    model: str | None

    def fits(self, wish: Wish) -> bool:
        """Whether somebody with that *wish* is told of this."""
        type_ = self.told.type
        return (
            (not wish.types or type_ in wish.types or type_.partition(".")[0] in wish.types)
            and wish.transfer in {None, self.transfer}
            and wish.model in {None, self.model}
        )


class Feed:
    """What has happened lately, and those who listen."""

    def __init__(self, clock: Clock, limits: FeedLimits | None = None) -> None:
        self._clock, self._limits = clock, limits or FeedLimits()
        #: Tells one start of the server from the next, and sorts like them.
        self._epoch = f"{int(clock.now().timestamp() * 1000):x}"
        self._kept: deque[_Entry] = deque()
        #: By transfer, for those that move.
        self._progress: dict[str, _Entry] = {}
        self._newest = 0
        #: The number of the newest event that is kept no longer.
        self._lost = 0
        self._listeners: set[_Listener] = set()
        #: Whether anybody listens: progress is told to nobody else.
        self.heard = asyncio.Event()
        self._left = asyncio.Event()
        self._left.set()
        self.closed = False

    @property
    def last_id(self) -> str:
        """The id of the newest event."""
        return self._id(self._newest)

    def publish(self, event: Event) -> None:
        """Keep *event* and wake the listeners. Never waits."""
        type_, data = _told_of(event)
        self._newest += 1
        transfer, model = (data.id, data.model) if isinstance(data, TransferView) else (None, data.model)
        entry = _Entry(self._newest, self._tell(type_, data), transfer, model)
        if transfer is not None:
            self._progress.pop(transfer, None)
        if isinstance(event, TransferMoved):
            self._progress[event.transfer.id] = entry
        else:
            self._kept.append(entry)
            if len(self._kept) > self._limits.kept:
                self._lost = self._kept.popleft().number
        self._wake()

    @contextmanager
    def listen(self, wish: Wish) -> Iterator[AsyncIterator[Told]]:
        """Hear what fits *wish*. Raises SchemaError, LimitError."""
        listener = _Listener(self, self._checked(wish), *self._place(wish.after))
        if len(self._listeners) >= self._limits.listeners:
            message = f"{self._limits.listeners} listen to events already, and there may be no more"
            raise LimitError(message, hint="close one of them, or look at /api/v1/transfers now and then")
        self._listeners.add(listener)
        self.heard.set()
        self._left.clear()
        try:
            yield listener.hear()
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                self.heard.clear()
                self._left.set()

    def close(self) -> None:
        """Tell all listeners that this is the end."""
        self.closed = True
        self._wake()

    async def end(self) -> None:
        """Tell all listeners that this is the end, and give them a moment to hear it."""
        self.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_S):
                await self._left.wait()

    def _wake(self) -> None:
        for listener in self._listeners:
            listener.stir.set()

    def _checked(self, wish: Wish) -> Wish:
        unknown = sorted(set(wish.types) - _TYPES - _TOPICS)
        if unknown:
            message = f"there are no events of the type {unknown[0][:80]!r}"
            raise SchemaError(message, hint=f"there is {', '.join(sorted(_TYPES | _TOPICS))}")
        return wish

    def _place(self, after: str | None) -> tuple[int, Told]:
        """Where a listener begins, and what it is told first. Raises SchemaError."""
        if after is None:
            return self._newest, self.aside("stream.ready", self._newest, "events follow from now on")
        epoch, dash, number = after.rpartition("-")
        if not dash or not number.isdecimal() or not number.isascii() or len(after) > 64:  # noqa: PLR2004 - ours are shorter
            message = f"{after[:80]!r} is not the id of an event"
            raise SchemaError(message, hint="send the id of an event as it came, or none")
        seen = int(number)
        if epoch == self._epoch and self._lost <= seen <= self._newest:
            return seen, self.aside("stream.ready", seen, "events follow from there on", after=after)
        reason = "restarted" if epoch != self._epoch else "overrun" if seen < self._lost else "unknown"
        words = f"{_GAPS[reason]}: read the lists anew; what is still kept follows"
        return self._lost, self.aside("stream.reset", self._lost, words, reason=reason, after=after)

    def since(self, seen: int) -> Sequence[_Entry]:
        """What is kept and newer than *seen*, in order."""
        fresh = [entry for entry in self._progress.values() if entry.number > seen]
        for entry in reversed(self._kept):
            if entry.number <= seen:
                break
            fresh.append(entry)
        return sorted(fresh, key=lambda entry: entry.number)

    def has_lost(self, seen: int) -> bool:
        """Whether something newer than *seen* is kept no longer."""
        return seen < self._lost

    async def stirred(self, stir: asyncio.Event) -> bool:
        """Wait until something happens; False when nothing does for the time between two heartbeats."""
        try:
            async with asyncio.timeout(self._limits.heartbeat_s):
                await stir.wait()
        except TimeoutError:
            return False
        return True

    def aside(
        self, type_: StreamType, number: int, message: str, *, reason: str | None = None, after: str | None = None
    ) -> Told:
        """Make an event about the feed itself; it has no number of its own."""
        return self._render(type_, number, StreamNews(message, reason, after))

    def _tell(self, type_: EventType, data: _Data) -> Told:
        return self._render(type_, self._newest, data)

    def _render(self, type_: EventType | StreamType, number: int, data: _Data | StreamNews) -> Told:
        id_ = self._id(number)
        return Told(id_, type_, msgspec.json.encode(EventView(id_, type_, self._clock.now(), data)))

    def _id(self, number: int) -> str:
        return f"{self._epoch}-{number}"


class _Listener:
    """Somebody who hears events, and how far they are."""

    def __init__(self, feed: Feed, wish: Wish, seen: int, first: Told) -> None:
        self._feed, self._wish, self._seen, self._first = feed, wish, seen, first
        self.stir = asyncio.Event()

    async def hear(self) -> AsyncIterator[Told]:
        """Everything that fits, from the first word of the feed to its last."""
        yield self._first
        while True:
            self.stir.clear()
            if self._feed.has_lost(self._seen):
                words = "you read too slowly, and events were lost: come again, after this id"
                yield self._feed.aside("stream.dropped", self._seen, words, reason="slow")
                return
            for entry in self._feed.since(self._seen):
                if entry.fits(self._wish):
                    yield entry.told
                self._seen = entry.number
            if self._feed.closed:
                yield self._feed.aside("stream.closing", self._seen, "Roundhouse is stopping: come again later")
                return
            if not await self._feed.stirred(self.stir):
                yield self._feed.aside("stream.heartbeat", self._seen, "nothing has happened")


def _told_of(event: Event) -> tuple[EventType, _Data]:
    """What people are told of *event*."""
    match event:
        case ArtifactAdded(model):
            return "model.added", ModelNews(model)
        case ArtifactRemoved(model):
            return "model.removed", ModelNews(model)
        case ArtifactVerified(model, ok, quick):
            return "model.verified", VerificationNews(model, ok, quick)
        case TransferChanged() | TransferMoved() | TransferForgotten():
            return _OF_TRANSFERS[type(event)], event.transfer
        case _:
            return _told_of_backend(event)


def _told_of_backend(event: _OfBackend) -> tuple[EventType, _Data]:
    match event:
        case ResidencyChanged(backend, model, loaded):
            return "backend.residency", ResidencyNews(backend, model, loaded)
        case BreakerOpened(backend, of, open_s):
            return "backend.breaker", BreakerNews(backend, of, open=True, open_s=open_s)
        case BreakerClosed(backend, of):
            return "backend.breaker", BreakerNews(backend, of, open=False)
        case BackendLost(backend, reason):
            return "backend.lost", BackendNews(backend, reason)
        case BackendRecovered(backend):
            return "backend.recovered", BackendNews(backend)
        case _:
            return _told_of_pace(event)


def _told_of_pace(event: _OfPace) -> tuple[EventType, _Data]:
    if isinstance(event, BackendDegraded):
        return "backend.degraded", PaceNews(event.backend, event.model, event.share)
    return "backend.restored", PaceNews(event.backend, event.model, 1.0)
