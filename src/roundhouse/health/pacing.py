"""How quick the deployments are, and which of them are slower than when they are well. Fed after requests.

Only whole answers count, so what fails at once never looks quick.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime

from roundhouse.core.clock import Clock
from roundhouse.core.events import BackendDegraded, BackendRestored, Events
from roundhouse.core.figures.baselines import Baseline, Pace, kind_of
from roundhouse.core.ledger import UsageRecord
from roundhouse.health.drift import Drift, Turn
from roundhouse.health.standing import Standing

#: Deployments that are remembered.
_MOST = 4_096
#: A longer name, or one that cannot be printed, is not kept: no database has to hold it.
_LONGEST = 512


class Pacing:
    """All deployments."""

    def __init__(self, standing: Callable[[str], Standing | None], events: Events, clock: Clock) -> None:
        self._standing, self._events, self._clock = standing, events, clock
        self._drifts: OrderedDict[str, Drift] = OrderedDict()
        self._since: dict[str, datetime] = {}

    def load(self, baselines: Iterable[Baseline]) -> None:
        """Begin with what an earlier run knew."""
        for each in baselines:
            self._of(each.id).recall(each.kinds, measured=each.by == "test")
            self._since[each.id] = each.at

    def observe(self, record: UsageRecord) -> None:
        """Take one finished request."""
        speed = record.tokens_per_s
        if speed is None:
            return
        last = record.attempts[-1]
        standing = self._standing(last.deployment)
        if standing is None:
            return
        standing.made(self._clock.monotonic(), speed)
        if last.first_token_ms is not None and len(last.deployment) <= _LONGEST and last.deployment.isprintable():
            kind = kind_of(record.prompt_tokens - record.cached_tokens, last.beside)
            drift = self._of(last.deployment)
            self._turned(last.deployment, drift, drift.add(kind, Pace(speed, last.first_token_ms)))

    def measured(self, deployment: str, prompt_tokens: int, pace: Pace) -> None:
        """Take what somebody had measured, with nobody else at work, as its baseline."""
        drift = self._of(deployment)
        self._turned(deployment, drift, drift.measure({kind_of(prompt_tokens, 0): pace}))

    def drift(self, deployment: str) -> Drift | None:
        """How one does; ``None`` when nothing is known."""
        return self._drifts.get(deployment)

    def baseline(self, deployment: str) -> Baseline | None:
        """What one is compared with; ``None`` before there were enough calls."""
        drift = self._drifts.get(deployment)
        if drift is None or not drift.kinds:
            return None
        backend, _, model = deployment.partition("/")
        at = self._since.get(deployment) or self._clock.now()
        return Baseline(backend, model, at, "test" if drift.measured else "calls", drift.kinds)

    def slow(self) -> dict[str, float]:
        """Those that are slower than when they are well, with their share of that speed."""
        return {name: drift.share for name, drift in self._drifts.items() if drift.is_slow}

    def take(self) -> list[Baseline]:
        """Give the baselines that are new."""
        fresh = [name for name, drift in self._drifts.items() if drift.changed]
        for name in fresh:
            self._drifts[name].changed = False
            self._since[name] = self._clock.now()
        return [each for each in map(self.baseline, fresh) if each is not None]

    def give_back(self, baselines: Iterable[Baseline]) -> None:
        """Take back what could not be written: it is given again."""
        for each in baselines:
            if each.id in self._drifts:
                self._drifts[each.id].changed = True

    def _turned(self, deployment: str, drift: Drift, turn: Turn | None) -> None:
        standing = self._standing(deployment)
        if standing is not None and (drift.is_slow or turn is not None):
            standing.slowed(self._clock.monotonic(), drift.share)
        backend, _, model = deployment.partition("/")
        if turn is Turn.SLOWED:
            self._events.publish(BackendDegraded(backend, model, drift.share))
        elif turn is Turn.RESTORED:
            self._events.publish(BackendRestored(backend, model))

    def _of(self, deployment: str) -> Drift:
        drift = self._drifts.get(deployment)
        if drift is None:
            drift = self._drifts[deployment] = Drift()
            if len(self._drifts) > _MOST:
                gone, _ = self._drifts.popitem(last=False)
                self._since.pop(gone, None)
        return drift
