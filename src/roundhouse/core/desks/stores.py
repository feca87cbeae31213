"""What other runtimes keep in stores of their own: fetched, deleted, copied there. Knows nothing about HTTP."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from roundhouse.core.runtimes import PullStep


@dataclass(frozen=True, slots=True)
class Kept:
    """A model in the store of a backend."""

    backend: str
    model: str


class StoresDesk(Protocol):
    """The stores of backends; each raises NotFoundError, and ConflictError when a backend has no store."""

    def pull_at(self, backend: str, model: str) -> AsyncGenerator[PullStep, None]:
        """Let a backend fetch a model; closing it stops that. Raises on iteration, also OfflineError, BackendError."""

    async def delete_at(self, backend: str, model: str) -> Kept:
        """Let a backend delete a model. Raises BackendError."""

    async def copy_at(self, backend: str, model: str, name: str) -> Kept:
        """Let a backend give a model a second name. Raises BackendError."""
