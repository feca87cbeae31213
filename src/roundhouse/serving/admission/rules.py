"""What a backend can bear, as somebody configured it, and what those who wait are told. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from roundhouse.core.inference import NORMAL, Deployment

#: Seconds of waiting that one point of priority is worth: nobody is overtaken by those who come that much later.
S_PER_POINT = 0.6


@dataclass(frozen=True, slots=True)
class GateRules:
    """What one backend can bear."""

    #: Calls at a time. 0 is as many as come until it says that they are too many, but for slots that it tells; ``None``
    #: is the same, but for the slots that such a runtime usually has, too: more would wait in its own queue, where no
    #: priority counts.
    max_concurrent: int | None = None
    #: Requests that wait at most.
    most_waiting: int = 512
    #: It holds one model at a time, and a call of another one makes it swap; ``None`` is as its models' traits say.
    one_at_a_time: bool | None = None
    #: Seconds that a model stays, once it was swapped in.
    min_residency_s: float = 3.0
    #: Seconds that a request may be overtaken by later ones for the model that is there.
    collate_s: float = 10.0
    #: Seconds until the first piece of a stream, and for a whole call; ``None`` is what the request may take.
    first_token_s: float | None = None
    total_s: float | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a client that waits is told; every dialect writes it in its own way."""

    reason: Literal["queued", "loading"]
    model: str
    backend: str
    #: Its place in the queue; the next one served is 1.
    position: int | None = None
    eta_s: float | None = None
    #: How far the loading is, from 0 to 1.
    progress: float | None = None


def loading(deployment: Deployment, since_s: float) -> Waiting:
    """What is told while weights are brought into memory, *since_s* seconds after that began."""
    load_s = deployment.traits.load_s
    if not load_s:
        return Waiting("loading", deployment.model, deployment.backend)
    progress = min(0.99, since_s / load_s)
    eta_s = max(0.0, load_s - since_s)
    return Waiting("loading", deployment.model, deployment.backend, eta_s=eta_s, progress=progress)


def due(arrived: float, priority: int) -> float:
    """When a request would have come, if it were of normal priority: the lower, the sooner it is served."""
    return arrived - (priority - NORMAL) * S_PER_POINT
