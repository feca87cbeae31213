"""A serving room with fake backends, and what it writes."""

from dataclasses import dataclass, field

import pytest

from roundhouse.core.inference import Deployment
from roundhouse.core.ledger import UsageRecord
from roundhouse.health.standing import Standings
from roundhouse.routing.policy import Policy
from roundhouse.routing.snapshot import Snapshot
from roundhouse.serving.serve import Serving
from roundhouse.testing.backend import FakeBackend, a_deployment
from roundhouse.testing.clock import FakeClock


@dataclass
class House:
    """Two backends, ``a`` before ``b``, with one model ``tiny`` each."""

    a: FakeBackend = field(default_factory=lambda: FakeBackend("a"))
    b: FakeBackend = field(default_factory=lambda: FakeBackend("b"))
    records: list[UsageRecord] = field(default_factory=list)
    standings: Standings = field(default_factory=lambda: Standings(lambda: 0.5))
    clock: FakeClock = field(default_factory=FakeClock)
    deployments: list[Deployment] = field(default_factory=lambda: [a_deployment("a/tiny"), a_deployment("b/tiny")])
    policy: Policy = field(default_factory=Policy)

    @property
    def serving(self) -> Serving:
        """The room, as it is furnished now."""
        snapshot = Snapshot.build(self.deployments, {"tiny": ["a/tiny", "b/tiny"]}, self.policy)
        backends = {"a": self.a, "b": self.b}
        return Serving(backends, lambda: snapshot, self.standings, self.records.append, self.clock)

    @property
    def record(self) -> UsageRecord:
        """The one record there is."""
        (record,) = self.records
        return record

    @property
    def in_flight(self) -> int:
        """Calls that nobody ended."""
        return sum(standing.in_flight for standing in self.standings.values())


@pytest.fixture
def house() -> House:
    """Two healthy backends."""
    return House()
