"""Figures of a house in memory that nobody has called yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from roundhouse.core.desks.figures import DeploymentFigures
from roundhouse.core.errors import NotFoundError
from roundhouse.core.views import BackendStatus


@dataclass
class InMemoryFigures:
    """What was measured, and what a test says was measured."""

    measured: list[DeploymentFigures] = field(default_factory=list)

    async def backends(self) -> Sequence[BackendStatus]:
        """List them: the house knows how."""
        raise NotImplementedError

    async def figures(self, backend: str | None = None, hours: int = 24) -> Sequence[DeploymentFigures]:  # noqa: ARG002 - the desk's
        """Nothing but zeros, unless a test says otherwise. Raises NotFoundError."""
        names = [each.name for each in await self.backends()]
        if backend is not None and backend not in names:
            message = f"no backend {backend}"
            raise NotFoundError(message)
        found = self.measured or [zeros(name) for name in names]
        return [each for each in found if backend in {None, each.backend}]


def zeros(backend: str) -> DeploymentFigures:
    """A deployment that nobody has called."""
    return DeploymentFigures(
        deployment=f"{backend}/tiny",
        backend=backend,
        model="tiny",
        requests=0,
        errors={},
        cache_hits=0,
        prompt_tokens=0,
        completion_tokens=0,
        calls=0,
        tokens_per_s=None,
        latency_ms=None,
        first_token_ms=None,
        queue_ms=None,
        load_s=None,
    )
