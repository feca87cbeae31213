"""The deployments of all backends, kept current, and the snapshot of them that routing reads.

Knows nothing about choosing: it asks each backend what it serves, at start, when something happened, and now and then;
what has come into memory or left it since the last answer is told as an event, unless it tells that itself.
A backend that cannot be asked keeps what it last said; its breaker decides whether that is worth a try.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace

import structlog

from roundhouse.app.probing.presence import Presence
from roundhouse.app.probing.spacing import Spacing
from roundhouse.backends.wire.figures import credible
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.events import (
    ArtifactAdded,
    ArtifactRemoved,
    Event,
    Events,
    ResidencyChanged,
)
from roundhouse.core.inference import Deployment, Price, Residency
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
        self._events = Events()
        #: Those that tell themselves what they load.
        self._telling: Callable[[], Collection[str]] = tuple
        #: By backend, the models that were last known to be in memory.
        self._loaded: dict[str, frozenset[str]] = {}
        #: By backend, the question that is to come because of a call, and how often there may be one.
        self._soon: dict[str, asyncio.TimerHandle] = {}
        self._spacings: dict[str, Spacing] = {}

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
        self._loaded.pop(backend, None)
        self._spacings.pop(backend, None)
        self.presence.forget(backend)
        self._standings.forget(backend)
        await self.refresh(())
        return tuple(each.id for each in gone)

    def listen(self, events: Events, backends: Callable[[], Collection[str]]) -> None:
        """Ask *backends* again whenever the library or their memory changed; tell of lost ones."""
        self.presence.events = self._events = events
        self._telling = backends

        def stir(event: Event) -> None:
            names = backends()
            if isinstance(event, ResidencyChanged) and event.backend not in names:
                self._heard(event)
            elif isinstance(event, ArtifactAdded | ArtifactRemoved | ResidencyChanged):
                self._stir_up(*names)

        events.subscribe(stir)

    def warmed(self, backend: str) -> None:
        """Weights were loaded for a call: ask *backend* what it has in memory, once for all that come at a time."""
        if backend in self._soon or backend in self._telling():
            return
        loop, spacing = asyncio.get_running_loop(), self._spacings.setdefault(backend, Spacing())
        self._soon[backend] = loop.call_at(max(loop.time(), spacing.next_at), self._stir_warmed, backend)

    def tell(self, told: Callable[[Sequence[Deployment]], None]) -> None:
        """Call *told* with all deployments, now and whenever backends were asked."""
        self._told.append(told)
        told(self.deployments())

    async def refresh(self, names: Sequence[str] | None = None) -> None:
        """Ask backends (all of them by default) what they serve, and take a new snapshot."""
        await self._look_at_stock()
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(self._ask(name)) for name in (self.backends if names is None else names)]
        deployments = self.deployments()
        same = self._recogniser.look(deployments)
        self._snapshot = Snapshot.build(deployments, self._aliases, self._policy, self._held, same)
        self._standings.keep(deployment.id for deployment in deployments)
        for told in self._told:
            told(deployments)
        for change in [change for asked in asking for change in asked.result()]:
            self._events.publish(change)

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

    def _heard(self, change: ResidencyChanged) -> None:
        """Look at what a backend says that usually is asked; what we have told ourselves is known."""
        known = self._loaded.get(change.backend)
        if known is not None and (change.model in known) != change.loaded:
            self._loaded[change.backend] = known ^ {change.model}
            self.warmed(change.backend)

    def _stir_up(self, *names: str) -> None:
        self._stirred.update(names)
        self._stir.set()

    def _stir_warmed(self, name: str) -> None:
        del self._soon[name]
        self._spacings.setdefault(name, Spacing()).asked(asyncio.get_running_loop().time())
        self._stir_up(name)

    async def _look_at_stock(self) -> None:
        """What the library holds; what it held before while it cannot say."""
        try:
            self._held = await self._stock()
        except Exception as error:  # noqa: BLE001 - the boundary of this job: what the library cannot say now must not end serving
            _log.warning("the library does not say what it holds", reason=str(error) or type(error).__name__)

    async def _ask(self, name: str) -> Sequence[ResidencyChanged]:
        """Ask one backend; what has come into its memory and left it."""
        backend = self.backends.get(name)
        if backend is None:
            return ()
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
            return ()
        if trouble is not None:
            self._note_trouble(name, trouble)
            return ()
        self._note_offer(name, offered)
        return self._changes(name)

    def _changes(self, name: str) -> Sequence[ResidencyChanged]:
        """What is in memory otherwise than before; nothing on the first look."""
        before, offered = self._loaded.get(name), self.offered(name)
        now = frozenset(each.model for each in offered if each.residency is Residency.LOADED)
        # What nobody knows of is as it was.
        unknown = frozenset(each.model for each in offered if each.residency is Residency.UNKNOWN)
        self._loaded[name] = now = now | (unknown & (before or frozenset()))
        if before is None or before == now:
            return ()
        if name in self._telling():
            return ()
        if (spacing := self._spacings.get(name)) is not None:
            spacing.changed(asyncio.get_running_loop().time())
        return [ResidencyChanged(name, model, loaded=model in now) for model in sorted(before ^ now)]

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
