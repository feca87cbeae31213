"""What happens, as people follow it: the events, who may be told which, and how a listener goes on after a break.

Field names are the keys of the JSON under ``/api/v1/events``. No postponed annotations: pydantic reads these types to
make the schema.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from roundhouse.core.views import TransferView

#: What can happen. The part before the dot is the topic, which asks for all of its types at once.
EventType = Literal[
    "transfer.changed",
    "transfer.progress",
    "transfer.removed",
    "model.added",
    "model.removed",
    "model.verified",
    "backend.residency",
    "backend.breaker",
    "backend.lost",
    "backend.recovered",
    "backend.degraded",
    "backend.restored",
]
#: What the feed says about itself; sent to every listener, whatever it asked for.
StreamType = Literal["stream.ready", "stream.reset", "stream.dropped", "stream.closing", "stream.heartbeat"]


@dataclass(frozen=True, slots=True)
class ModelNews:
    """A model came to the library, or left it."""

    model: str


@dataclass(frozen=True, slots=True)
class VerificationNews:
    """The bytes of a model were looked at."""

    model: str
    ok: bool
    #: Only size, header and time of change were looked at.
    quick: bool


@dataclass(frozen=True, slots=True)
class ResidencyNews:
    """A backend has loaded a model into memory, or let go of it."""

    backend: str
    model: str
    loaded: bool


@dataclass(frozen=True, slots=True)
class BreakerNews:
    """Calls to a model at a backend are held back because they kept failing, or go through again."""

    backend: str
    #: ``None`` when it is all of the backend's.
    model: str | None
    open: bool
    #: Seconds until the first call that tries again.
    open_s: float | None = None


@dataclass(frozen=True, slots=True)
class BackendNews:
    """A backend cannot be asked what it serves, or can be again."""

    backend: str
    reason: str | None = None
    #: Never: it is all of its models.
    model: None = None


@dataclass(frozen=True, slots=True)
class PaceNews:
    """A model at a backend is much slower than when it is well, or is not any more."""

    backend: str
    model: str
    #: Its speed as a share of that.
    share: float


@dataclass(frozen=True, slots=True)
class StreamNews:
    """Something about the feed itself."""

    message: str
    #: For ``stream.reset``: ``restarted``, ``overrun`` or ``unknown``.
    reason: str | None = None
    #: The id that the listener wanted to go on after.
    after: str | None = None


@dataclass(frozen=True, slots=True)
class EventView:
    """One event."""

    #: ``start-number``: the start of the server, and a number that only grows; send it back to go on after it.
    id: str
    type: EventType | StreamType
    at: datetime
    data: (
        TransferView | VerificationNews | ResidencyNews | ModelNews | BreakerNews | BackendNews | PaceNews | StreamNews
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """Which events somebody wants; every part that is given must fit."""

    #: Types or topics; empty is all.
    types: tuple[str, ...] = ()
    #: The id of a transfer.
    transfer: str | None = None
    model: str | None = None
    #: The id of the last event that was seen; ``None`` is from now on.
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One event as it goes over the wire."""

    id: str
    type: str
    #: The JSON of an `EventView`.
    body: bytes


class EventsDesk(Protocol):
    """What happens, while it happens."""

    def listen(self, wish: Wish) -> AbstractContextManager[AsyncIterator[Told]]:
        """Hear events until the feed ends or the listener is too slow. Raises SchemaError, LimitError."""
