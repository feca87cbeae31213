"""The answers of the management API, as the command line reads them. Knows nothing about how they came."""

from dataclasses import dataclass

from roundhouse.core.desks.figures import DeploymentFigures
from roundhouse.core.desks.licenses import LicenseView
from roundhouse.core.desks.migrations import MigrationPlanView, MigrationView
from roundhouse.core.desks.roster import InMemory
from roundhouse.core.ledger import UsageRecord, UsageSummary
from roundhouse.core.views import BackendStatus, Check, Model, PullPlan, TransferView

# No postponed annotations: msgspec reads these types.


@dataclass(frozen=True, slots=True)
class Models:
    """``GET /models``."""

    models: tuple[Model, ...]


@dataclass(frozen=True, slots=True)
class Licenses:
    """``GET /licenses``."""

    licenses: tuple[LicenseView, ...]


@dataclass(frozen=True, slots=True)
class Transfers:
    """``GET /transfers``."""

    transfers: tuple[TransferView, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """``POST /transfers`` with ``dry_run``."""

    plan: PullPlan


@dataclass(frozen=True, slots=True)
class Backends:
    """``GET /backends``."""

    backends: tuple[BackendStatus, ...]


@dataclass(frozen=True, slots=True)
class Unloaded:
    """``POST /models/{name}/unload``."""

    unloaded: tuple[InMemory, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """``GET /figures`` and ``GET /backends/{name}/figures``."""

    deployments: tuple[DeploymentFigures, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """``GET /usage``."""

    by: str
    rows: tuple[UsageSummary, ...]


@dataclass(frozen=True, slots=True)
class Requests:
    """``GET /requests``."""

    requests: tuple[UsageRecord, ...]


@dataclass(frozen=True, slots=True)
class Checks:
    """``GET /doctor``."""

    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Stores:
    """``GET /stores``."""

    stores: tuple[MigrationPlanView, ...]


@dataclass(frozen=True, slots=True)
class Migrations:
    """``GET /migrations``."""

    migrations: tuple[MigrationView, ...]


@dataclass(frozen=True, slots=True)
class PlannedMigration:
    """``POST /migrations`` with ``dry_run``."""

    plan: MigrationPlanView
