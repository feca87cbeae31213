"""Adding and removing those who serve, and weights in and out of their memory. Knows nothing about HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from roundhouse.core.views import BackendStatus


@dataclass(frozen=True, slots=True)
class Retired:
    """A backend that was removed."""

    name: str
    #: Ids of what it served.
    deployments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InMemory:
    """A model that was brought into memory, or let go of."""

    deployment: str
    loaded: bool
    #: Seconds that it took; 0 when there was nothing to do.
    seconds: float


class RosterDesk(Protocol):
    """Who serves."""

    async def add_backend(self, name: str, section: Mapping[str, object]) -> BackendStatus:
        """Take one in, by the settings of ``[backends.NAME]``; a runtime that was found here needs none.

        Raises ConflictError when there is one of that name, SchemaError when a setting is wrong, DiskError.
        """

    async def remove_backend(self, name: str) -> Retired:
        """Let go of one that was added; what it is answering is answered. Raises NotFoundError, ConflictError."""

    async def load_model(self, name: str, *, context: int | None = None, keep_s: float | None = None) -> InMemory:
        """Bring a model into memory where it is served; its name or the id of a deployment.

        Raises NotFoundError; ConflictError when nobody who serves it loads on request; SchemaError when several do;
        CapacityError, LicenseError, BackendError.
        """

    async def unload_model(self, name: str) -> tuple[InMemory, ...]:
        """Let go of its weights, wherever they are in memory. Raises NotFoundError, ConflictError, BackendError."""
