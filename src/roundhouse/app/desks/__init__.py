"""Everything that a person may ask of a running Roundhouse, in one object: each noun has its desk."""

from __future__ import annotations

from roundhouse.app.desks.browse import BrowseDesk
from roundhouse.app.desks.events import EventDesk
from roundhouse.app.desks.exchange import ExchangeDesk
from roundhouse.app.desks.figures import Figures
from roundhouse.app.desks.keeping import Keeping
from roundhouse.app.desks.licenses import Licenses
from roundhouse.app.desks.migrations import MigrationDesk
from roundhouse.app.desks.models import Models
from roundhouse.app.desks.repair import RepairDesk
from roundhouse.app.desks.revisions import RevisionsDesk
from roundhouse.app.desks.roster import RosterDesk
from roundhouse.app.desks.routes import Routes
from roundhouse.app.desks.status import StatusDesk
from roundhouse.app.desks.stores import StoresDesk
from roundhouse.app.desks.transfers import TransferDesk
from roundhouse.app.desks.usage import Usage
from roundhouse.app.rooms import Rooms


class Desks(
    StatusDesk,
    StoresDesk,
    RepairDesk,
    RevisionsDesk,
    BrowseDesk,
    ExchangeDesk,
    TransferDesk,
    RosterDesk,
    Routes,
    Usage,
    Licenses,
    MigrationDesk,
    EventDesk,
    Models,
    Keeping,
    Figures,
):
    """Answers ``core.management.Management``. The desks share their rooms and nothing else."""

    def __init__(self, rooms: Rooms) -> None:
        TransferDesk.__init__(self, rooms)
