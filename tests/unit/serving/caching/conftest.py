"""A serving room with a memory, and what it writes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from roundhouse.core.inference import CacheUse, Deployment, InferenceRequest, Operation, Profile
from roundhouse.core.ledger import UsageRecord
from roundhouse.core.ports import Cache
from roundhouse.health.standing import Standings
from roundhouse.routing.snapshot import Snapshot
from roundhouse.serving.caching.memory import MemoryCache
from roundhouse.serving.caching.responses import Caching, Terms
from roundhouse.serving.serve import Serving
from roundhouse.testing.backend import FakeBackend, a_deployment
from roundhouse.testing.clock import FakeClock


@dataclass
class Hall:
    """Two backends, ``a`` before ``b``, with one model ``tiny`` each, behind a cache."""

    a: FakeBackend = field(default_factory=lambda: FakeBackend("a"))
    b: FakeBackend = field(default_factory=lambda: FakeBackend("b"))
    records: list[UsageRecord] = field(default_factory=list)
    clock: FakeClock = field(default_factory=FakeClock)
    deployments: list[Deployment] = field(default_factory=lambda: [a_deployment("a/tiny"), a_deployment("b/tiny")])
    cache: Cache | None = None
    caching: Caching = field(init=False)

    def __post_init__(self) -> None:
        standings = Standings(lambda: 0.5)
        serving = Serving({"a": self.a, "b": self.b}, lambda: self.snapshot, standings, self.records.append, self.clock)
        cache = self.cache or MemoryCache(1 << 20, self.clock)
        self.caching = Caching(serving, cache, self.records.append, self.clock, Terms(ttl_s=60.0))

    @property
    def snapshot(self) -> Snapshot:
        """What can be chosen from now."""
        return Snapshot.build(self.deployments, {"tiny": [each.id for each in self.deployments]})

    @property
    def told(self) -> list[tuple[str | None, float | None, str]]:
        """What the records say of the cache."""
        return [(record.cache, record.cost_usd, record.outcome) for record in self.records]


@pytest.fixture
def hall() -> Hall:
    """Two healthy backends."""
    return Hall()


def asking(  # noqa: PLR0913 - a test says only what it is about
    body: Mapping[str, object] | None = None,
    *,
    id: str = "r-1",  # noqa: A002 - the field's word
    operation: Operation = Operation.CHAT,
    principal: str = "me",
    cache: CacheUse = CacheUse.AUTO,
    stream: bool = False,
    wants_usage: bool = False,
) -> InferenceRequest:
    """A request that is answered the same each time, unless its body says otherwise."""
    standing = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "temperature": 0}
    profile = Profile(operation, "tiny", frozenset(), prompt_tokens=12)
    made = json.dumps(standing if body is None else {"model": "tiny", **body}).encode()
    request = InferenceRequest(id, profile, made, stream, wants_usage, principal=principal)
    return replace(request, cache=cache)
