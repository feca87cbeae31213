"""What the management API and the pages may ask of a running Roundhouse: one small protocol per noun.

Knows nothing about HTTP or HTML. `app` answers; `testing.management_service` is the fake.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from roundhouse.core.desks.browse import Browsing, Query
from roundhouse.core.desks.ensure import EnsureDesk
from roundhouse.core.desks.events import EventsDesk
from roundhouse.core.desks.exchange import ExchangeDesk
from roundhouse.core.desks.figures import FiguresDesk
from roundhouse.core.desks.keeping import KeepingDesk
from roundhouse.core.desks.licenses import LicensesDesk
from roundhouse.core.desks.migrations import MigrationsDesk
from roundhouse.core.desks.repair import RepairDesk
from roundhouse.core.desks.revisions import RevisionsDesk
from roundhouse.core.desks.roster import RosterDesk
from roundhouse.core.desks.routes import Explanation, RouteQuestion
from roundhouse.core.desks.stores import StoresDesk
from roundhouse.core.desks.trial import BackendTest, Trial
from roundhouse.core.ledger import UsageRecord, UsageSummary
from roundhouse.core.views import (
    BackendStatus,
    Bandwidth,
    Check,
    Dimension,
    Model,
    ModelDetail,
    PullPlan,
    Removal,
    Status,
    TransferView,
    Verification,
)


class StatusDesk(Protocol):
    """How the house is."""

    async def status(self) -> Status:
        """Tell the state at a glance; never fails because a backend does."""

    async def checks(self) -> Sequence[Check]:
        """Ask the server's part of `doctor`'s questions."""


class ModelsDesk(Protocol):
    """The models that can be asked for."""

    async def models(self) -> Sequence[Model]:
        """List all of them, by name."""

    async def model(self, name: str) -> ModelDetail:
        """Show one. Raises NotFoundError."""

    async def remove_model(self, name: str, *, dry_run: bool) -> Removal:
        """Take one out of the library. Raises NotFoundError; ConflictError when it is not ours to remove."""

    async def verify_model(self, name: str, *, quick: bool = False) -> Verification:
        """Read all its bytes again, or only look at size, header and time of change. Raises NotFoundError."""


class BrowseDesk(Protocol):
    """Models that could be had from elsewhere."""

    async def browse(self, query: Query) -> Browsing:
        """Search the hub. Raises OfflineError, NetworkError, LimitError, AuthError, SchemaError."""


class TransfersDesk(Protocol):
    """Bytes on their way in."""

    async def plan_pull(self, ref: str, name: str | None, *, by: str | None = None) -> PullPlan:
        """Resolve *ref* without fetching it. Raises what the source raises, and PolicyError."""

    async def start_pull(self, ref: str, name: str | None, *, by: str | None = None) -> TransferView:
        """Start for *by*, or join the transfer of the same reference that is under way.

        Raises SchemaError, OfflineError, PolicyError, LicenseError.
        """

    async def transfers(self) -> Sequence[TransferView]:
        """List them, newest first."""

    async def transfer(self, transfer_id: str) -> TransferView:
        """Show one. Raises NotFoundError."""

    async def pause_transfer(self, transfer_id: str) -> TransferView:
        """Let one wait until it is resumed. Raises NotFoundError; ConflictError when it is too late."""

    async def resume_transfer(self, transfer_id: str) -> TransferView:
        """Let a paused one go on. Raises NotFoundError; ConflictError when it is over."""

    async def cancel_transfer(self, transfer_id: str) -> TransferView:
        """End one and keep nothing of it. Raises NotFoundError; ConflictError when it is too late."""

    async def forget_transfer(self, transfer_id: str) -> TransferView:
        """Take one that is over from the list. Raises NotFoundError; ConflictError when it is not over."""

    async def limit_transfer(self, transfer_id: str, bandwidth: int | None) -> TransferView:
        """Let one take so many bytes per second at most. Raises NotFoundError; ConflictError when it is over."""

    async def prioritize_transfer(self, transfer_id: str, priority: int) -> TransferView:
        """Let one be sooner or later than others that wait. Raises NotFoundError; ConflictError when it is over."""

    async def bandwidth(self) -> Bandwidth:
        """Tell how fast all of them together may be."""

    async def limit_transfers(self, bandwidth: int | None, source: str | None = None) -> Bandwidth:
        """Let all of them, or all from one *source*, take so many bytes per second at most, until the next start."""


class BackendsDesk(Protocol):
    """Those who serve."""

    async def backends(self) -> Sequence[BackendStatus]:
        """List them with their health."""

    async def test_backend(self, name: str, trial: Trial) -> BackendTest:
        """Try one. Raises NotFoundError, also for the model; a backend that fails is an answer."""


class RoutesDesk(Protocol):
    """Why a request goes where it goes."""

    async def explain(self, question: RouteQuestion) -> Explanation:
        """Choose without serving. Raises SchemaError; an unknown model or an empty route is in the answer's error."""

    async def routes(self, ids: Sequence[str]) -> Mapping[str, Explanation]:
        """Recall the routes taken by these requests, as far as they are still remembered."""


class UsageDesk(Protocol):
    """What was used."""

    async def usage(self, by: Dimension, since: datetime | None) -> Sequence[UsageSummary]:
        """Add up, busiest first."""

    async def requests(self, limit: int) -> Sequence[UsageRecord]:
        """List the latest requests, newest first."""


class Management(
    StatusDesk,
    ModelsDesk,
    RepairDesk,
    RevisionsDesk,
    BrowseDesk,
    ExchangeDesk,
    EnsureDesk,
    TransfersDesk,
    BackendsDesk,
    RosterDesk,
    StoresDesk,
    RoutesDesk,
    UsageDesk,
    LicensesDesk,
    MigrationsDesk,
    EventsDesk,
    KeepingDesk,
    FiguresDesk,
    Protocol,
):
    """Everything that a person may ask of a running Roundhouse."""
