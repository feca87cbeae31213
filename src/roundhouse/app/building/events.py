"""What happens in the rooms, brought to the feed that people listen to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from roundhouse.app.desks.views import transfer_view
from roundhouse.core.artifacts import Transfer
from roundhouse.core.clock import Clock
from roundhouse.core.events import Events, TransferChanged, TransferMoved
from roundhouse.core.views import TransferView
from roundhouse.telemetry.feed import Feed
from roundhouse.upkeep.progress import Progress

#: Seconds between two looks at what moves: nobody is told more often of one transfer.
LOOK_S = 0.25

#: The transfers that move in this process.
Moving = Callable[[], Sequence[Progress]]


def feed_of(events: Events, clock: Clock) -> Feed:
    """A feed that hears of everything."""
    feed = Feed(clock)
    events.subscribe(feed.publish)
    return feed


def telling(events: Events, moving: Moving) -> Callable[[Transfer], None]:
    """Tell of a transfer that was written down, with the live numbers if it moves here."""

    def tell(transfer: Transfer) -> None:
        live = {progress.transfer.id: progress for progress in moving()}
        events.publish(TransferChanged(transfer_view(live.get(transfer.id) or Progress(transfer))))

    return tell


async def tell_progress(feed: Feed, events: Events, moving: Moving) -> None:
    """Tell how far the transfers are, while anybody listens; until cancelled."""
    told: dict[str, TransferView] = {}
    while True:
        await feed.heard.wait()
        views = {progress.transfer.id: transfer_view(progress) for progress in moving()}
        for id_, view in views.items():
            if id_ in told and _moved(told[id_], view):
                events.publish(TransferMoved(view))
        told = views
        await asyncio.sleep(LOOK_S)


def _moved(before: TransferView, now: TransferView) -> bool:
    """Whether people see a difference that is no change of state."""
    return (before.bytes_done, before.bytes_verified, before.rate) != (now.bytes_done, now.bytes_verified, now.rate)
