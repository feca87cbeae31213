"""A mlx_lm.server that somebody else started. Knows nothing about children.

Its list reads the whole cache of the hub each time, so health does not ask for it.
"""

from __future__ import annotations

from roundhouse.backends.kinds.asking import Asking
from roundhouse.core.ports import BackendHealth


class MLX(Asking):
    """One mlx_lm.server."""

    async def health(self) -> BackendHealth:
        """Whether it answers; it says nothing about its model."""
        return await self.well("/health", lambda _data: "mlx_lm.server answers")
