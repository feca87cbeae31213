"""The list of downloads of a Roundhouse in memory, and taking those that are over from it."""

from dataclasses import dataclass, field

from roundhouse.core.artifacts import TransferState
from roundhouse.core.errors import ConflictError, NotFoundError
from roundhouse.core.events import TransferForgotten
from roundhouse.core.views import TransferView
from roundhouse.testing.desks.events import InMemoryEvents


@dataclass
class InMemoryList(InMemoryEvents):
    """Downloads, newest first."""

    pulls: list[TransferView] = field(default_factory=list, kw_only=True)

    async def forget_transfer(self, transfer_id: str) -> TransferView:
        """Take one that is over from the list. Raises NotFoundError, ConflictError."""
        known = self.pulls[self._position(transfer_id)]
        if not TransferState(known.state).over:
            message = "that download is not over"
            raise ConflictError(message, hint="cancel it first")
        self.pulls.remove(known)
        self.feed.publish(TransferForgotten(known))
        return known

    def _position(self, transfer_id: str) -> int:
        ids = [known.id for known in self.pulls]
        if transfer_id in ids:
            return ids.index(transfer_id)
        message = f"there is no transfer {transfer_id!r}"
        raise NotFoundError(message, hint="list them with `roundhouse downloads ls`")
