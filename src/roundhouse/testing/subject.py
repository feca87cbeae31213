"""What the contract suite of backends is held against."""

from __future__ import annotations

from dataclasses import dataclass

from roundhouse.core.inference import Deployment
from roundhouse.core.ports import Backend


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

    async def deployment(self, model: str | None = None) -> Deployment:
        """The deployment of that model."""
        listed = {each.model: each for each in await self.backend.deployments()}
        return listed[model or self.model]
