"""How the deployments do, for the API: their hours, and their last calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from roundhouse.app.figuring import moment
from roundhouse.app.rooms import Rooms
from roundhouse.core.desks.figures import BaselineView, DeploymentFigures, HourFigures, Spread
from roundhouse.core.errors import NotFoundError
from roundhouse.core.figures import Histogram, HourOf, Tally
from roundhouse.health.history import Calls, Last
from roundhouse.health.pacing import Pacing

_SHARES = (0.5, 0.9, 0.95, 0.99)


class Figures:
    """What was measured."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def figures(self, backend: str | None = None, hours: int = 24) -> Sequence[DeploymentFigures]:
        """All deployments, or those of one backend, busiest first. Raises NotFoundError."""
        fleet = self._rooms.fleet
        if backend is not None and backend not in fleet.backends:
            message = f"no backend {backend}"
            raise NotFoundError(message, hint="see which there are with `roundhouse backends ls`")
        known = {each.id: each for each in fleet.deployments() if backend is None or each.backend == backend}
        by_id: dict[str, list[HourOf]] = {name: [] for name in known}
        for hour in await self._rooms.figuring.hours(hours, backend):
            by_id.setdefault(f"{hour.backend}/{hour.model}", []).append(hour)
        loads = {name: each.traits.load_s for name, each in known.items()}
        figuring = self._rooms.figuring
        views = [
            _paced(_view(name, seen, loads.get(name), figuring.calls(name)), figuring.pacing)
            for name, seen in by_id.items()
        ]
        return sorted(views, key=lambda view: (-view.requests, view.deployment))


def _view(name: str, hours: Sequence[HourOf], load_s: float | None, calls: Calls) -> DeploymentFigures:
    backend, _, model = name.partition("/")
    whole = Tally()
    for hour in hours:
        whole.merge(hour.tally)
    speed = calls.tokens_per_s.percentiles(0.5)
    return DeploymentFigures(
        deployment=name,
        backend=backend,
        model=model,
        requests=whole.requests,
        errors=whole.errors,
        cache_hits=whole.cache_hits,
        prompt_tokens=whole.prompt_tokens,
        completion_tokens=whole.completion_tokens,
        calls=len(calls.latency_ms),
        tokens_per_s=None if speed is None else speed[0],
        latency_ms=_last(calls.latency_ms),
        first_token_ms=_last(calls.first_token_ms),
        queue_ms=_last(calls.queue_ms),
        load_s=load_s,
        load_ms=_last(calls.load_ms),
        hours=tuple(_hour(each) for each in reversed(hours)),
    )


def _paced(view: DeploymentFigures, pacing: Pacing) -> DeploymentFigures:
    """The same, with what its speed is compared with."""
    baseline, drift = pacing.baseline(view.deployment), pacing.drift(view.deployment)
    if baseline is None or drift is None:
        return view
    usual = baseline.kinds[min(baseline.kinds)]
    shown = BaselineView(baseline.at, baseline.by, usual.tokens_per_s, usual.first_token_ms)
    return replace(view, baseline=shown, pace=drift.share, degraded=drift.is_slow)


def _hour(each: HourOf) -> HourFigures:
    tally = each.tally
    return HourFigures(
        at=moment(each.hour),
        requests=tally.requests,
        errors=sum(tally.errors.values()),
        cache_hits=tally.cache_hits,
        prompt_tokens=tally.prompt_tokens,
        completion_tokens=tally.completion_tokens,
        latency_ms=_spread(tally.latency),
        first_token_ms=_spread(tally.first_token),
        queue_ms=_spread(tally.queue),
        load_ms=_spread(tally.load),
        tokens_per_s=tally.completion_tokens / tally.busy_s if tally.busy_s > 0 else None,
    )


def _last(values: Last) -> Spread | None:
    found = values.percentiles(*_SHARES)
    return None if found is None else Spread(*found)


def _spread(values: Histogram) -> Spread | None:
    found = [value for share in _SHARES if (value := values.percentile(share)) is not None]
    return Spread(*found) if found else None
