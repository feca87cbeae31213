"""What stands on each page: asks `Management`, and puts the answers in the order a person wants them.

Knows nothing about HTTP or HTML.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from roundhouse.core.desks.routes import Explanation
from roundhouse.core.ledger import UsageRecord
from roundhouse.core.management import Management
from roundhouse.core.runtimes import place_of
from roundhouse.core.views import Found, Model, Status, TransferView
from roundhouse.web.plan import HousePlan, draw

_GONE = frozenset({"done", "cancelled"})
_MOST_MODELS, _MOST_REQUESTS, _MOST_TRANSFERS = 50, 20, 5


@dataclass(frozen=True, slots=True)
class Served:
    """One request and, while it is remembered, why it went where it went."""

    record: UsageRecord
    route: Explanation | None

    @property
    def best(self) -> float:
        """The highest score among the candidates: the full width of a bar."""
        scores = [candidate.score for candidate in self.route.candidates] if self.route else []
        return max([*scores, 1e-9])


@dataclass(frozen=True, slots=True)
class Stranger:
    """A runtime that was found on this machine and is no backend, for its name is another's or was switched off."""

    found: Found
    #: A name that it may have.
    name: str

    @property
    def command(self) -> str:
        """What adds it."""
        return f"roundhouse backends add {self.name} --kind {self.found.kind} --url {self.found.url}"


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the first page."""

    status: Status
    models: Sequence[Model]
    more_models: int
    #: Found on this machine, but not among the backends.
    strangers: Sequence[Stranger]
    transfers: Sequence[TransferView]
    requests: Sequence[Served]
    shows_requests: bool
    #: Whether a press changes something without a key of its own.
    may_manage: bool
    plan: HousePlan

    @property
    def answering(self) -> int:
        """How many backends answer."""
        return sum(backend.ok for backend in self.status.backends)

    @property
    def guests(self) -> Sequence[str]:
        """Backends that were found, and serve while they run."""
        return [each.name for each in self.status.backends if each.url is not None and not each.configured]

    @property
    def running(self) -> Collection[str]:
        """Names under which runtimes were found on this machine."""
        return {each.name for each in self.status.found}

    @property
    def loaded(self) -> int:
        """How many models are in memory."""
        return sum(model.loaded for model in self.models)


async def overview(management: Management, *, may_see_requests: bool, may_manage: bool = False) -> Overview:
    """Ask for all that the first page shows."""
    status = await management.status()
    models = sorted(await management.models(), key=lambda model: (not model.local, model.name))
    transfers = [transfer for transfer in await management.transfers() if transfer.state not in _GONE]
    requests = await _requests(management) if may_see_requests else []
    served = next((item.record.model for item in requests if item.record.model), None)
    return Overview(
        status=status,
        models=models[:_MOST_MODELS],
        more_models=max(0, len(models) - _MOST_MODELS),
        strangers=_strangers(status),
        transfers=transfers[:_MOST_TRANSFERS],
        requests=requests,
        shows_requests=may_see_requests,
        may_manage=may_manage,
        plan=draw(models, served),
    )


def _strangers(status: Status) -> list[Stranger]:
    places = {place_of(backend.url) for backend in status.backends if backend.url is not None}
    taken = {backend.name for backend in status.backends}
    strangers = []
    for found in status.found:
        if place_of(found.url) not in places:
            names = (found.name, *(f"{found.name}-{number}" for number in range(2, len(taken) + 3)))
            name = next(name for name in names if name not in taken)
            taken.add(name)
            strangers.append(Stranger(found, name))
    return strangers


async def _requests(management: Management) -> list[Served]:
    records = await management.requests(_MOST_REQUESTS)
    routes = await management.routes([record.id for record in records])
    return [Served(record, routes.get(record.id)) for record in records]
