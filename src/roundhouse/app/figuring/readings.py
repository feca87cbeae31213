"""What is so right now, for whoever collects metrics: slots, breakers, load times."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Protocol

from roundhouse.app.probing.presence import Presence
from roundhouse.core.inference import Deployment
from roundhouse.health.breaker import State
from roundhouse.health.pacing import Pacing
from roundhouse.health.standing import Standings
from roundhouse.serving.admission.gates import Gates
from roundhouse.telemetry.deployments import Reading

_STATES = {State.CLOSED: 0.0, State.HALF_OPEN: 1.0, State.OPEN: 2.0}
_BREAKER = "Breaker: 0 closed, 1 half-open, 2 open."


class Deployed(Protocol):
    """What is served by whom."""

    presence: Presence

    @property
    def backends(self) -> Mapping[str, object]:
        """Backends by name."""

    def deployments(self) -> tuple[Deployment, ...]:
        """What all of them serve."""


class Readings:
    """Looks when it is asked, and keeps nothing."""

    def __init__(
        self, fleet: Deployed, standings: Standings, gates: Gates, pacing: Pacing, now: Callable[[], float]
    ) -> None:
        self._fleet, self._standings, self._gates, self._pacing, self._now = fleet, standings, gates, pacing, now

    def __call__(self, named: Collection[str]) -> Iterable[Reading]:
        """Of all backends, and of the deployments *named*."""
        yield from self._of_gates()
        yield from self._of_backends()
        yield from self._of_deployments([each for each in self._fleet.deployments() if each.id in named])

    def _of_gates(self) -> Iterator[Reading]:
        # Names for one machine share a gate: it is told once, or sums would be wrong.
        gates = {gate.name: gate for gate in map(self._gates.of, self._fleet.backends)}
        busy = [({"backend": name}, float(gate.in_flight)) for name, gate in gates.items()]
        waiting = [({"backend": name}, float(gate.queued)) for name, gate in gates.items()]
        limits = [({"backend": name}, gate.limit) for name, gate in gates.items() if gate.limit != float("inf")]
        yield Reading("roundhouse_backend_slots_busy", "Calls under way.", busy)
        yield Reading("roundhouse_backend_slots_waiting", "Requests that wait for a slot.", waiting)
        yield Reading("roundhouse_backend_slots_limit", "Calls at a time, where there is a limit.", limits)

    def _of_backends(self) -> Iterator[Reading]:
        now = self._now()
        breakers = self._standings.backend_breakers
        rows = [({"backend": name}, _STATES[each.state(now)]) for name, each in breakers.items()]
        yield Reading("roundhouse_backend_breaker", _BREAKER, rows)
        presence = self._fleet.presence
        up = [({"backend": name}, float(presence.trouble(name) is None)) for name in self._fleet.backends]
        yield Reading("roundhouse_backend_up", "Whether it could be asked when last it was.", up)

    def _of_deployments(self, deployments: Collection[Deployment]) -> Iterator[Reading]:
        now, standings = self._now(), self._standings
        labels = {each.id: {"backend": each.backend, "deployment": each.id} for each in deployments}
        tried = [(labels[each.id], standings[each.id]) for each in deployments if each.id in standings]
        breakers = [(label, _STATES[standing.breaker.state(now)]) for label, standing in tried]
        busy = [(label, float(standing.in_flight)) for label, standing in tried]
        loads = [(labels[each.id], each.traits.load_s) for each in deployments if each.traits.load_s is not None]
        yield Reading("roundhouse_deployment_breaker", _BREAKER, breakers)
        yield Reading("roundhouse_deployment_calls_in_flight", "Calls under way or waiting.", busy)
        drifts = [(labels[each.id], self._pacing.drift(each.id)) for each in deployments]
        known = [(label, drift) for label, drift in drifts if drift is not None and drift.kinds]
        shares = [(label, drift.share) for label, drift in known]
        slow = [(label, float(drift.is_slow)) for label, drift in known]
        yield Reading("roundhouse_deployment_pace", "Speed as a share of the baseline, at most 1.", shares)
        yield Reading("roundhouse_deployment_degraded", "1 while much slower than the baseline.", slow)
        yield Reading("roundhouse_deployment_load_seconds", "What loading took when it was last seen.", loads)
