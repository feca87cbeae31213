"""What happened, told to whoever wants to know, inside one process.

Delivery is a plain call in order of subscription; a subscriber must be quick and must not raise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from roundhouse.core.artifacts import Artifact
from roundhouse.core.views import TransferView


@dataclass(frozen=True, slots=True)
class ArtifactAdded:
    """The library holds one more runnable model, or another revision of one."""

    model: str
    #: What is under that name from now on.
    artifact: Artifact | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ArtifactRemoved:
    """The library let go of a model."""

    model: str


@dataclass(frozen=True, slots=True)
class ResidencyChanged:
    """A backend loaded or unloaded weights, or lost them in a crash."""

    backend: str
    model: str
    loaded: bool


@dataclass(frozen=True, slots=True)
class ArtifactVerified:
    """The bytes of a model were looked at."""

    model: str
    ok: bool
    quick: bool


@dataclass(frozen=True, slots=True)
class TransferChanged:
    """A transfer is in another state, waits for something else, or was given another limit or priority."""

    transfer: TransferView


@dataclass(frozen=True, slots=True)
class TransferMoved:
    """A transfer has come further; the next event of the same transfer makes this one worthless."""

    transfer: TransferView


@dataclass(frozen=True, slots=True)
class TransferForgotten:
    """A transfer that was over is in the list no longer."""

    transfer: TransferView


@dataclass(frozen=True, slots=True)
class BreakerOpened:
    """Calls to a model at a backend, or to all of them, keep failing and are held back; told once, not per probe."""

    backend: str
    #: ``None`` when it is the whole backend.
    model: str | None
    open_s: float


@dataclass(frozen=True, slots=True)
class BreakerClosed:
    """Calls go through again."""

    backend: str
    model: str | None


@dataclass(frozen=True, slots=True)
class BackendLost:
    """A backend that could be asked what it serves cannot be asked any more."""

    backend: str
    reason: str


@dataclass(frozen=True, slots=True)
class BackendRecovered:
    """It can be asked again."""

    backend: str


@dataclass(frozen=True, slots=True)
class BackendDegraded:
    """A model at a backend answers much slower than it does when it is well."""

    backend: str
    model: str
    #: Its speed as a share of that.
    share: float


@dataclass(frozen=True, slots=True)
class BackendRestored:
    """It is about as quick as it was again."""

    backend: str
    model: str


Event = (
    TransferForgotten
    | ArtifactAdded
    | ArtifactRemoved
    | ArtifactVerified
    | BackendDegraded
    | BackendLost
    | BackendRestored
    | BackendRecovered
    | BreakerClosed
    | BreakerOpened
    | ResidencyChanged
    | TransferChanged
    | TransferMoved
)


class Events:
    """Who listens to what happens."""

    def __init__(self) -> None:
        self._subscribers: list[Callable[[Event], None]] = []

    def subscribe(self, subscriber: Callable[[Event], None]) -> None:
        """Call *subscriber* with every later event."""
        self._subscribers.append(subscriber)

    def publish(self, event: Event) -> None:
        """Tell every subscriber."""
        for subscriber in self._subscribers:
            subscriber(event)
