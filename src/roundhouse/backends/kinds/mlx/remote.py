"""A mlx_lm.server that somebody else started. Knows nothing about children.

It holds one model, and drops it for whichever is asked for. Its list reads the whole cache of the hub each time, so
health does not ask for it. Versions before it batched requests answered one at a time, health included, and no version
says which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from roundhouse.backends.kinds.asking import Asking
from roundhouse.core.inference import Deployment
from roundhouse.core.ports import BackendHealth

#: Its default for ``--decode-concurrency``: it works on so many together, and lets the others queue.
_SLOTS = 32


class MLX(Asking):
    """One mlx_lm.server."""

    async def deployments(self) -> Sequence[Deployment]:
        """What it lists. Raises NetworkError."""
        listed = await super().deployments()
        return [
            replace(each, traits=replace(each.traits, slots_usual=_SLOTS, alone=True, mute_at_work=True))
            for each in listed
        ]

    async def health(self) -> BackendHealth:
        """Whether it answers; it says nothing about its model."""
        return await self.well("/health", lambda _data: "mlx_lm.server answers")
