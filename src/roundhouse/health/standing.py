"""How each deployment stands: its figures, its breaker, its backend's breaker, cooldown. Knows nothing of routing.

A backend's breaker counts only what says that the backend itself is away, so that one bad model does not
take its siblings down, and a dead machine does not have to be found out once per model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from roundhouse.core.events import BreakerClosed, BreakerOpened, Events
from roundhouse.health.breaker import DESPITE, FREE, Breaker, BreakerPolicy
from roundhouse.health.budget import RetryBudget
from roundhouse.health.figures import Figures

#: A cooldown longer than this is asked again: nobody gets to switch a deployment off for a day.
_LONGEST_COOLDOWN_S = 600.0


class Permit:
    """One call on its way; exactly one of the methods ends it."""

    __slots__ = ("_backend_ticket", "_standing", "_ticket")

    def __init__(self, standing: Standing, ticket: int, backend_ticket: int) -> None:
        self._standing = standing
        self._ticket = ticket
        self._backend_ticket = backend_ticket

    def succeeded(self, now: float, latency_ms: float, first_token_ms: float | None = None) -> None:
        """It was answered in full."""
        standing = self._standing
        standing.in_flight -= 1
        standing.call_succeeded(now, latency_ms, first_token_ms)
        standing.breaker.succeeded(self._ticket, now)
        standing.backend_breaker.succeeded(self._backend_ticket, now)

    def failed(self, now: float, *, unreachable: bool = False) -> None:
        """It failed hard; *unreachable* blames the backend as well."""
        standing = self._standing
        standing.in_flight -= 1
        standing.call_failed(now)
        standing.breaker.failed(self._ticket, now)
        if unreachable:
            standing.backend_breaker.failed(self._backend_ticket, now)
        else:
            standing.backend_breaker.released(self._backend_ticket)

    def refused(self, now: float) -> None:
        """It was turned away with a 4xx: no breaker counts that, but it was no good answer either."""
        self._standing.call_failed(now)
        self.released()

    def limited(self, now: float, retry_after_s: float) -> None:
        """It was rate limited: a cooldown, not a failure."""
        self.released()
        self._standing.cool(now, retry_after_s)

    @property
    def is_void(self) -> bool:
        """Whether a breaker has opened since it was given: for those that waited with it, be its time over or not.

        One that is held does not turn them away: a check may be wrong, and whoever has nowhere else to go may as well
        wait. The gate lets the others go.
        """
        standing = self._standing
        is_closed = standing.breaker.is_closed and standing.backend_breaker.is_closed
        return self._ticket == self._backend_ticket == FREE and not is_closed

    def released(self) -> None:
        """It ended and proved nothing about the deployment."""
        standing = self._standing
        standing.in_flight -= 1
        standing.breaker.released(self._ticket)
        standing.backend_breaker.released(self._backend_ticket)


class Standing(Figures):
    """How one deployment stands: its figures, and what is against calling it."""

    __slots__ = ("_cool_until", "backend_breaker", "breaker")

    def __init__(self, breaker: Breaker, backend_breaker: Breaker) -> None:
        super().__init__()
        self.breaker = breaker
        self.backend_breaker = backend_breaker
        self._cool_until = 0.0

    def is_free(self, now: float) -> bool:
        """Whether nothing is against calling it."""
        return now >= self._cool_until and not self.open_s(now)

    def open_s(self, now: float) -> float:
        """Seconds until its breakers let a call pass: 0 if now, infinity while a probe is on its way."""
        return max(self.breaker.open_s(now), self.backend_breaker.open_s(now))

    def cooling_s(self, now: float) -> float:
        """Seconds that its rate limit lasts."""
        return max(0.0, self._cool_until - now)

    def cool(self, now: float, seconds: float) -> None:
        """Leave it alone for *seconds*."""
        self._cool_until = max(self._cool_until, now + min(seconds, _LONGEST_COOLDOWN_S))

    def admit(self, now: float, *, despite_breaker: bool = False) -> Permit | None:
        """Let one call through, or ``None`` when a breaker is against it."""
        if self.open_s(now) == 0.0:
            ticket, backend_ticket = self.breaker.admit(now), self.backend_breaker.admit(now)
        elif despite_breaker:
            ticket = backend_ticket = DESPITE
        else:
            return None
        self.in_flight += 1
        return Permit(self, ticket or FREE, backend_ticket or FREE)


class Standings(dict[str, Standing]):
    """The standing of every deployment that has been tried, by its id. What is not here is not known."""

    def __init__(
        self, random: Callable[[], float], policy: BreakerPolicy | None = None, events: Events | None = None
    ) -> None:
        super().__init__()
        self._random = random
        self._policy = policy or BreakerPolicy()
        #: Told when breakers open and close.
        self._events = events
        #: By backend, as far as they were tried.
        self.backend_breakers: dict[str, Breaker] = {}
        self._budgets: dict[str, RetryBudget] = {}

    def of(self, deployment_id: str, backend: str) -> Standing:
        """The standing of one deployment, a clean one when it is new."""
        standing = self.get(deployment_id)
        if standing is None:
            own = self._breaker(backend, deployment_id.removeprefix(f"{backend}/"))
            standing = self[deployment_id] = Standing(own, self.breaker_of(backend))
        return standing

    def breaker_of(self, backend: str) -> Breaker:
        """The breaker of a whole backend."""
        breaker = self.backend_breakers.get(backend)
        if breaker is None:
            breaker = self.backend_breakers[backend] = self._breaker(backend, None)
        return breaker

    def budget(self, backend: str) -> RetryBudget:
        """What second tries the failures of *backend* may cause."""
        budget = self._budgets.get(backend)
        if budget is None:
            budget = self._budgets[backend] = RetryBudget()
        return budget

    def keep(self, deployment_ids: Iterable[str]) -> None:
        """Forget every deployment but these: what left the catalogue shall not fill the memory."""
        kept = set(deployment_ids)
        for gone in self.keys() - kept:
            del self[gone]

    def forget(self, backend: str) -> None:
        """Forget what calls have shown of a backend that was taken away; another one may come by its name."""
        self.backend_breakers.pop(backend, None)
        self._budgets.pop(backend, None)

    def _breaker(self, backend: str, model: str | None) -> Breaker:
        events = self._events
        if events is None:
            return Breaker(self._policy, self._random)

        def turned(open_s: float) -> None:
            events.publish(BreakerOpened(backend, model, open_s) if open_s else BreakerClosed(backend, model))

        return Breaker(self._policy, self._random, turned)
