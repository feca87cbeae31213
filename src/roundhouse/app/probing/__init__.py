"""Asks backends how they are while no answers show it, and leaves the ill ones out before a request fails there.

Only by `Backend.health`, which costs nobody money. Each backend has a task of its own, so that one which hangs delays
nobody. Silence of one that is at work counts when no piece and no answer comes from it either. A check is believed once
it has been right: where a key may not list models, or the address of health is closed and that of answers is not, the
breaker alone decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from roundhouse.app.probing.presence import Presence
from roundhouse.core.inference import Deployment
from roundhouse.core.ports import Backend, BackendHealth
from roundhouse.health.breaker import Breaker
from roundhouse.health.standing import Standings
from roundhouse.serving.admission.gates import Gates

#: Seconds that a backend may take to say how it is.
PATIENCE_S = 5.0
#: Seconds between two checks, on this machine and elsewhere, where nobody wants another pace.
HERE_S, ELSEWHERE_S = 15.0, 60.0
#: Checks that fail in a row before one is left out, and the seconds between them.
_DOUBTS, _AGAIN_S = 2, 1.0
#: Checks that one which is at work may leave without an answer while nothing comes from it.
_STILL = 3
#: The pause is longer or shorter by up to this share, so that checks do not fall together.
_JITTER = 0.2
_BY = "health"

_log = structlog.get_logger("roundhouse.probing")


class Fleet(Protocol):
    """Who there is."""

    presence: Presence

    @property
    def backends(self) -> Mapping[str, Backend]:
        """Backends by name."""

    def offered(self, backend: str) -> tuple[Deployment, ...]:
        """What one backend serves."""


class Prober:
    """Looks after all backends."""

    def __init__(
        self,
        fleet: Fleet,
        standings: Standings,
        gates: Gates,
        every_s: Callable[[str], float],
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._fleet, self._standings, self._gates = fleet, standings, gates
        #: Seconds between two checks of one; 0 is never.
        self._every_s = every_s
        self._now, self._random = clock, random
        #: Those whose last checks were right: well at first, and not contradicted by an answer since.
        self._believed: set[str] = set()
        self._doubts: dict[str, int] = {}
        #: Of those that were silent while at work: what had come from them last, and how many checks ago.
        self._silent: dict[str, tuple[float, int]] = {}
        self._watched: set[str] = set()
        self._more = asyncio.Event()

    def look(self, _deployments: Sequence[Deployment]) -> None:
        """There may be more backends than before."""
        self._more.set()

    async def run(self) -> None:
        """Watch all of them until cancelled, also those that appear later."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._more.clear()
                for name in self._believed - self._fleet.backends.keys():
                    self._believed.discard(name)
                    self._doubts.pop(name, None)
                    self._silent.pop(name, None)
                for name in [each for each in self._fleet.backends if self._is_new(each)]:
                    self._watched.add(name)
                    group.create_task(self._watch(name))
                await self._more.wait()

    def pause_s(self, name: str) -> float:
        """Seconds until the next check of one."""
        if 0 < self._doubts.get(name, 0) < _DOUBTS:
            return _AGAIN_S
        every_s = self._every_s(name)
        if name in self._silent:
            every_s = min(every_s, HERE_S)
        return every_s * (1.0 + _JITTER * (2.0 * self._random() - 1.0))

    async def check(self, name: str) -> None:
        """Ask one, unless its answers have shown lately that it is well, and act on what it says."""
        breaker = self._standings.breaker_of(name)
        if self._fleet.presence.trouble(name, _BY) is not None and not breaker.held:
            # A call was made in spite of the check, and went well: until that agrees, it says nothing.
            self._believed.discard(name)
            self._found_well(name, breaker)
        if self._now() - breaker.proved < self._every_s(name):
            self._doubts[name] = 0
            self._silent.pop(name, None)
            return
        backend = self._fleet.backends[name]
        health = await asked(backend)
        if self._fleet.backends.get(name) is not backend:
            return
        if health is not None and health.ok:
            self._believed.add(name)
            self._found_well(name, breaker)
        elif name in self._believed and (health is not None or self._stands_still(name)):
            self._found_ill(name, breaker, "no answer" if health is None else health.detail)

    def _stands_still(self, name: str) -> bool:
        """Whether the silence of one means anything: nobody is inside, or nothing has come from it for some time."""
        gate = self._gates.of(name)
        if not gate.in_flight:
            return True
        if any(each.traits.mute_at_work for each in self._fleet.offered(name)):
            return False
        moved, checks = self._silent.get(name, (gate.moved, 0))
        checks = checks + 1 if moved == gate.moved else 1
        self._silent[name] = (gate.moved, checks)
        return checks >= _STILL

    def _is_new(self, name: str) -> bool:
        return name not in self._watched and self._every_s(name) > 0

    async def _watch(self, name: str) -> None:
        """Check one for as long as it is there, by whatever settings it has then."""
        try:
            while self._every_s(name) > 0:
                await asyncio.sleep(self.pause_s(name))
                if name not in self._fleet.backends:
                    return
                await self.check(name)
        finally:
            self._watched.discard(name)

    def _found_well(self, name: str, breaker: Breaker) -> None:
        self._doubts[name] = 0
        self._silent.pop(name, None)
        if self._fleet.presence.trouble(name, _BY) is not None:
            _log.info("backend is well again", backend=name)
        breaker.release()
        self._fleet.presence.note(name, _BY, None)

    def _found_ill(self, name: str, breaker: Breaker, trouble: str) -> None:
        self._doubts[name] = self._doubts.get(name, 0) + 1
        if self._doubts[name] < _DOUBTS:
            return
        if not breaker.held:
            _log.warning("backend is ill and left out", backend=name, reason=trouble)
        breaker.hold()
        for each in self._fleet.offered(name):
            # What was never tried has no standing, and would count as free.
            self._standings.of(each.id, name)
        # Each time: somebody else may have become free only now.
        self._gates.of(name).turn_away(name)
        self._fleet.presence.note(name, _BY, trouble)


async def asked(backend: Backend) -> BackendHealth | None:
    """What a backend says of itself; ``None`` when it says nothing for too long."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await backend.health()
    except TimeoutError:
        return None
    except Exception as error:  # noqa: BLE001 - the boundary of this job: kinds come from anywhere, and one must not end the watch over all
        return BackendHealth(ok=False, detail=f"cannot say how it is: {type(error).__name__}")
