"""Newer and older revisions of models: what may be asked, and what people see of them. Knows nothing about HTTP."""

from dataclasses import dataclass
from typing import Literal, Protocol

from roundhouse.core.views import TransferView

#: Nothing newer, something newer, or a reference that names its bytes, so that there can be nothing newer.
UpdateState = Literal["current", "newer", "pinned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCheck:
    """What there is upstream of one model."""

    model: str
    state: UpdateState
    #: The revision that is served.
    revision: str
    #: What is newer; ``None`` when nothing is.
    available: str | None = None
    bytes_total: int | None = None
    #: Bytes of it that are not here.
    bytes_needed: int | None = None
    #: The newer revision was served here before, and somebody went back from it.
    was_here: bool = False
    #: One sentence for people.
    detail: str


@dataclass(frozen=True, slots=True)
class Update:
    """What was found upstream, and the transfer that brings it."""

    check: UpdateCheck
    #: ``None`` when there is nothing to bring, or nothing was to be done.
    transfer: TransferView | None
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Rollback:
    """Which revision is served now, or would be."""

    model: str
    #: The one that is served now.
    revision: str
    key: str
    #: The one that was served before, and is kept.
    before: str
    dry_run: bool


class RevisionsDesk(Protocol):
    """Going forward to newer revisions, and back."""

    async def check_update(self, name: str) -> UpdateCheck:
        """Look upstream, and fetch nothing.

        Raises NotFoundError; ConflictError when it is not ours to update; OfflineError and what the source raises.
        """

    async def update_model(self, name: str, *, dry_run: bool = False) -> Update:
        """Begin to fetch what is newer; it takes the place of the old revision once all of it is right.

        Raises what `check_update` raises.
        """

    async def roll_back_model(self, name: str, wanted: str | None = None, *, dry_run: bool = False) -> Rollback:
        """Serve the revision before (or the *wanted* one) again, at once and without the network.

        Raises NotFoundError when there is none; ConflictError when several fit, or it is not ours.
        """
