"""A list of transfers that tells when one has changed. Knows nothing about who listens.

It tells what has been written down, and only then; a write that changes nothing that people see is not told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from roundhouse.core.artifacts import Transfer
from roundhouse.core.ports import Transfers


class TellingTransfers:
    """The port `Transfers` around another one."""

    def __init__(self, inner: Transfers, tell: Callable[[Transfer], None]) -> None:
        self._inner, self._tell = inner, tell
        #: What was told last of each transfer that is not over.
        self._told: dict[str, object] = {}

    async def put(self, transfer: Transfer) -> None:
        """Write the state of *transfer*, and tell it if it is news."""
        await self._inner.put(transfer)
        news = _news(transfer)
        if self._told.get(transfer.id) == news:
            return
        if transfer.state.over:
            self._told.pop(transfer.id, None)
        else:
            self._told[transfer.id] = news
        self._tell(transfer)

    async def get(self, transfer_id: str) -> Transfer:
        """One transfer. Raises NotFoundError."""
        return await self._inner.get(transfer_id)

    async def list(self, *, limit: int = 100) -> Sequence[Transfer]:
        """Newest first."""
        return await self._inner.list(limit=limit)

    async def remove(self, transfer_id: str) -> None:
        """Forget one. Raises NotFoundError."""
        await self._inner.remove(transfer_id)


def _news(transfer: Transfer) -> object:
    """What makes one state of a transfer differ from another: not how far it is."""
    error = transfer.error or {}
    trouble = (error.get("code"), error.get("message"))
    return transfer.state, trouble, transfer.model, transfer.bytes_total, transfer.bandwidth, transfer.priority
