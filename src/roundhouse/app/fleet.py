"""The deployments of all backends, kept current, and the snapshot of them that routing reads.

Knows nothing about choosing: it asks each backend what it serves, at start, when something happened, and now and then.
A backend that cannot be asked keeps what it last said; its breaker decides whether that is worth a try.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace

import structlog

from roundhouse.app.probing.presence import Presence
from roundhouse.backends.wire.figures import credible
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.events import (
    ArtifactAdded,
    ArtifactRemoved,
    Event,
    Events,
    ResidencyChanged,
)
from roundhouse.core.inference import Deployment, Price
from roundhouse.core.ports import Backend
from roundhouse.health.standing import Standings
from roundhouse.routing.identity import Recogniser
from roundhouse.routing.policy import Policy
from roundhouse.routing.snapshot import Snapshot

#: Seconds between two rounds of asking every backend.
ROUND_S = 30.0
#: Seconds that one backend may take to say what it serves.
PATIENCE_S = 5.0

_log = structlog.get_logger("roundhouse.fleet")


class Fleet:
    """All deployments, now."""

    def __init__(
        self,
        backends: Mapping[str, Backend],
        price_of: Callable[[str], Price | None],
        aliases: Mapping[str, Sequence[str]],
        policy: Policy,
        standings: Standings,
        stock: Callable[[], Awaitable[Mapping[str, str]]],
    ) -> None:
        self.backends = backends
        self._stock = stock
        #: What the library said last.
        self._held: Mapping[str, str] = {}
        #: Who is away.
        self.presence = Presence()
        self._price_of = price_of
        self._aliases = aliases
        self._policy = policy
        self._standings = standings
        self._offered: dict[str, tuple[Deployment, ...]] = {}
        self._troubles: dict[str, str] = {}
        self._recogniser = Recogniser(policy.same)
        self._snapshot = Snapshot.build((), aliases, policy)
        self._told: list[Callable[[Sequence[Deployment]], None]] = []
        self._stir = asyncio.Event()
        self._stirred: set[str] = set()

    def snapshot(self) -> Snapshot:
        """All deployments by name; immutable, replaced as a whole."""
        return self._snapshot

    def offered(self, backend: str) -> tuple[Deployment, ...]:
        """What one backend serves."""
        return self._offered.get(backend, ())

    def deployments(self) -> tuple[Deployment, ...]:
        """What all of them serve."""
        return tuple(deployment for offered in self._offered.values() for deployment in offered)

    def trouble(self, backend: str) -> str | None:
        """Why the last question to *backend* failed; ``None`` when it answered."""
        return self._troubles.get(backend)

    async def forget(self, backend: str) -> tuple[str, ...]:
        """Offer what *backend* serves no longer; the ids of that."""
        gone = self._offered.pop(backend, ())
        self._troubles.pop(backend, None)
        self.presence.forget(backend)
        self._standings.forget(backend)
        await self.refresh(())
        return tuple(each.id for each in gone)

    def listen(self, events: Events, backends: Callable[[], Collection[str]]) -> None:
        """Ask *backends* again whenever the library or their memory changed; tell of lost ones."""
        self.presence.events = events

        def stir(event: Event) -> None:
            if isinstance(event, ArtifactAdded | ArtifactRemoved | ResidencyChanged):
                self._stirred.update(backends())
                self._stir.set()

        events.subscribe(stir)

    def tell(self, told: Callable[[Sequence[Deployment]], None]) -> None:
        """Call *told* with all deployments, now and whenever backends were asked."""
        self._told.append(told)
        told(self.deployments())

    async def refresh(self, names: Sequence[str] | None = None) -> None:
        """Ask backends (all of them by default) what they serve, and take a new snapshot."""
        await self._look_at_stock()
        async with asyncio.TaskGroup() as group:
            for name in self.backends if names is None else names:
                group.create_task(self._ask(name))
        deployments = self.deployments()
        same = self._recogniser.look(deployments)
        self._snapshot = Snapshot.build(deployments, self._aliases, self._policy, self._held, same)
        self._standings.keep(deployment.id for deployment in deployments)
        for told in self._told:
            told(deployments)

    async def run(self) -> None:
        """Keep current until cancelled."""
        while True:
            try:
                async with asyncio.timeout(ROUND_S):
                    await self._stir.wait()
                names: list[str] | None = sorted(self._stirred & self.backends.keys())
            except TimeoutError:
                names = None
            self._stir.clear()
            self._stirred.clear()
            await self.refresh(names)

    async def _look_at_stock(self) -> None:
        """What the library holds; what it held before while it cannot say."""
        try:
            self._held = await self._stock()
        except Exception as error:  # noqa: BLE001 - the boundary of this job: what the library cannot say now must not end serving
            _log.warning("the library does not say what it holds", reason=str(error) or type(error).__name__)

    async def _ask(self, name: str) -> None:
        backend = self.backends.get(name)
        if backend is None:
            return
        offered: Sequence[Deployment] = ()
        trouble: str | None = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                offered = [credible(each) for each in await backend.deployments()]
        except (RoundhouseError, TimeoutError) as error:
            trouble = str(error) or f"no answer within {PATIENCE_S:g} s"
        except Exception as error:  # noqa: BLE001 - the boundary of this job: kinds come from anywhere, and one must not end the fleet
            trouble = f"cannot say what it serves: {type(error).__name__}"
        if self.backends.get(name) is not backend:  # it left while it was asked, or another has its name now
            return
        if trouble is None:
            self._note_offer(name, offered)
        else:
            self._note_trouble(name, trouble)

    def _note_offer(self, name: str, offered: Sequence[Deployment]) -> None:
        if self._troubles.pop(name, None) is not None:
            _log.info("backend answers again", backend=name)
        self.presence.note(name, "lists", None)
        price = self._price_of(name)
        self._offered[name] = tuple(each if price is None else replace(each, price=price) for each in offered)

    def _note_trouble(self, name: str, trouble: str) -> None:
        self.presence.note(name, "lists", trouble)
        if self._troubles.get(name) != trouble:
            _log.warning("backend does not say what it serves", backend=name, reason=trouble)
        self._troubles[name] = trouble
