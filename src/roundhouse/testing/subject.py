"""What the contract suite of backends is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from roundhouse.core.inference import Deployment
from roundhouse.core.ports import Backend


def at_its_own_pace() -> Callable[[], None]:
    """What is real cannot be stopped in the middle, and takes its time by itself."""
    return lambda: None


@dataclass(frozen=True, slots=True)
class Subject:
    """A backend under test: what it is asked for chat and for embeddings."""

    backend: Backend
    model: str
    embedder: str | None
    #: What puts documents in order.
    reranker: str | None = None
    #: False for a server that answers for its one model whatever is asked for.
    knows_names: bool = True
    #: False for what only chats.
    completes: bool = True
    #: How often weights came into memory so far; of every backend that loads when it is asked to.
    loads: Callable[[], int] | None = None
    #: Stops the next answer after its first words; what it gives back lets that go on.
    pause: Callable[[], Callable[[], None]] = at_its_own_pace

    async def deployment(self, model: str | None = None) -> Deployment:
        """The deployment of that model."""
        listed = {each.model: each for each in await self.backend.deployments()}
        return listed[model or self.model]
