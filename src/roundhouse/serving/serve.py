"""One request, served: the attempts in order, the fallback, the record. Knows nothing about HTTP or dialects.

The order comes from ``routing``; here is only what happens when it is tried. An attempt may be followed by
another one until something visible has been sent: after that an error ends the answer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TypeVar

from roundhouse.core.clock import Clock
from roundhouse.core.errors import BackendError, CapacityError, RoundhouseError
from roundhouse.core.inference import Answer, Chunk, Deployment, InferenceRequest, Profile
from roundhouse.core.ledger import UsageRecord
from roundhouse.core.ports import Backend
from roundhouse.health.standing import Permit, Standings
from roundhouse.routing.choose import choose, explain
from roundhouse.routing.route import Candidate, Route
from roundhouse.routing.snapshot import Snapshot
from roundhouse.serving.attempts import Attempt, Flight, Served
from roundhouse.serving.flow import Flow, opening
from roundhouse.serving.taken import Taken

__all__ = ["Served", "Serving"]

T = TypeVar("T")
Ask = Callable[[Backend, InferenceRequest, Deployment], Awaitable[T]]


class Serving:
    """Everything that serves a request once it has been read and let in."""

    __slots__ = ("_backends", "_clock", "_meter", "_snapshot", "_standings", "taken")

    def __init__(
        self,
        backends: Mapping[str, Backend],
        snapshot: Callable[[], Snapshot],
        standings: Standings,
        meter: Callable[[UsageRecord], None],
        clock: Clock,
    ) -> None:
        self._backends = backends
        self._snapshot = snapshot
        self._standings = standings
        self._meter = meter
        self._clock = clock
        #: The routes of the last requests.
        self.taken = Taken()

    async def answer(self, request: InferenceRequest) -> tuple[Served, Answer]:
        """The whole answer, and who gave it.

        Raises:
            NotFoundError: nobody knows the model.
            NoRouteError: no deployment of it can serve this request.
            LimitError: all of them are rate limited.
            RoundhouseError: what the last attempt failed with.

        """
        flight = Flight(request, self._meter, self._clock)
        try:
            attempt, answer = await self._first_answer(flight, _whole)
        except BaseException as error:
            flight.lost(error)
            raise
        return flight.answered(attempt, answer), answer

    async def stream(self, request: InferenceRequest) -> tuple[Served, AsyncGenerator[Chunk, None]]:
        """The answer piece by piece; returns when its first visible piece is there.

        Iterate or ``aclose`` what is returned, always: its end writes the usage record and frees the upstream.
        It raises one RoundhouseError at most, and leaves out a usage chunk that the client did not ask for.

        Raises:
            NotFoundError, NoRouteError, LimitError, RoundhouseError: as ``answer`` does.

        """
        flight = Flight(request, self._meter, self._clock)
        try:
            attempt, opened = await self._first_answer(flight, opening)
        except BaseException as error:
            flight.lost(error)
            raise
        return flight.committed(attempt), Flow(flight, attempt, opened)

    def explain(self, profile: Profile) -> Route:
        """What would be tried, and why; nothing is. The reason for an empty route is in its ``error``."""
        return explain(profile, self._snapshot(), self._standings, self._clock.monotonic())

    def chosen(self, profile: Profile) -> Route:
        """Who would be tried now; nothing is. Raises what ``answer`` would raise before its first attempt."""
        return choose(profile, self._snapshot(), self._standings, self._clock.monotonic())

    async def _first_answer(self, flight: Flight, ask: Ask[T]) -> tuple[Attempt, T]:
        """What the first attempt that succeeds returned."""
        request = flight.request
        route = choose(request.profile, self._snapshot(), self._standings, flight.started)
        self.taken.add(request.id, request.profile, route)
        last: RoundhouseError | None = None
        for candidate in route.candidates:
            permit = self._permit(candidate, despite_breaker=route.last_resort)
            if permit is None:
                continue
            attempt = flight.begin(candidate, permit)
            try:
                with flight.deadline:
                    result = await ask(self._backend(candidate.deployment.backend), request, candidate.deployment)
            except BaseException as error:
                flight.failed(attempt, error)
                if not isinstance(error, RoundhouseError) or not error.retryable or flight.deadline.expired:
                    raise
                last = error
            else:
                return attempt, result
        raise last or CapacityError("every deployment of this model is being probed")

    def _permit(self, candidate: Candidate, *, despite_breaker: bool) -> Permit | None:
        standing = self._standings.of(candidate.id, candidate.deployment.backend)
        return standing.admit(self._clock.monotonic(), despite_breaker=despite_breaker)

    def _backend(self, name: str) -> Backend:
        backend = self._backends.get(name)
        if backend is None:
            message = f"backend {name} is gone"
            raise BackendError(message)
        return backend


def _whole(backend: Backend, request: InferenceRequest, deployment: Deployment) -> Awaitable[Answer]:
    return backend.answer(request, deployment)
