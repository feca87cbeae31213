"""Figures of a house in memory that nobody has called yet."""

from __future__ import annotations

from collections.abc import Sequence

from roundhouse.core.desks.figures import DeploymentFigures
from roundhouse.core.errors import NotFoundError
from roundhouse.core.views import BackendStatus


class InMemoryFigures:
    """What was measured, and what a test says was measured."""

    async def backends(self) -> Sequence[BackendStatus]:
        """List them: the house knows how."""
        raise NotImplementedError

    async def figures(self, backend: str | None = None, hours: int = 24) -> Sequence[DeploymentFigures]:  # noqa: ARG002 - the desk's
        """Nothing but zeros. Raises NotFoundError."""
        names = [each.name for each in await self.backends()]
        if backend is not None and backend not in names:
            message = f"no backend {backend}"
            raise NotFoundError(message)
        return [_zeros(name) for name in names if backend in {None, name}]


def _zeros(backend: str) -> DeploymentFigures:
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
