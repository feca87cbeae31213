"""One request, served: the attempts in order, the fallback, the record. Knows nothing about HTTP or dialects.

The order comes from ``routing``; here is only what happens when it is tried. An attempt may be followed by
another one until something visible has been sent: after that an error ends the answer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TypeVar, cast

from roundhouse.core.clock import Clock
from roundhouse.core.errors import BackendError, CapacityError, DeadlineError, RoundhouseError
from roundhouse.core.inference import Answer, Chunk, Deployment, InferenceRequest, Profile, Residency
from roundhouse.core.ledger import UsageRecord
from roundhouse.core.ports import Backend, Reloading
from roundhouse.core.runtimes import Feature
from roundhouse.health.standing import Permit, Standings
from roundhouse.routing.choose import choose, explain
from roundhouse.routing.route import Candidate, Route
from roundhouse.routing.snapshot import Snapshot
from roundhouse.serving.admission.gate import Gate, Slot
from roundhouse.serving.admission.gates import Gates
from roundhouse.serving.admission.rules import Waiting, loading
from roundhouse.serving.attempts import Attempt, Flight, Served
from roundhouse.serving.deadline import Deadline
from roundhouse.serving.flow import Flow, opening
from roundhouse.serving.foreign import ours
from roundhouse.serving.taken import Taken

__all__ = ["Served", "Serving"]

T = TypeVar("T")
Ask = Callable[[Backend, InferenceRequest, Deployment], Awaitable[T]]


class Serving:
    """Everything that serves a request once it has been read and let in."""

    __slots__ = ("_backends", "_clock", "_gates", "_meter", "_snapshot", "_standings", "_waits", "taken", "warmed")

    def __init__(
        self,
        backends: Mapping[str, Backend],
        snapshot: Callable[[], Snapshot],
        standings: Standings,
        meter: Callable[[UsageRecord], None],
        clock: Clock,
        *,
        gates: Gates | None = None,
    ) -> None:
        self._backends = backends
        self._snapshot = snapshot
        self._standings = standings
        self._meter = meter
        self._clock = clock
        self._gates = gates or Gates(clock.monotonic)
        #: By request, for those that wait: what to tell.
        self._waits: dict[str, Callable[[], Waiting | None]] = {}
        #: The routes of the last requests.
        self.taken = Taken()
        #: Hears of each backend that has answered a call for which it had to load weights.
        self.warmed: Callable[[str], None] = _nobody

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
        total_s = self._gates.of(attempt.candidate.deployment.backend).rules.total_s
        if total_s is not None:
            flight.deadline.shorten(total_s - (self._clock.monotonic() - attempt.started))
        return flight.committed(attempt), Flow(flight, attempt, opened)

    def explain(self, profile: Profile) -> Route:
        """What would be tried, and why; nothing is. The reason for an empty route is in its ``error``."""
        return explain(profile, self._snapshot(), self._standings, self._clock.monotonic())

    def chosen(self, profile: Profile) -> Route:
        """Who would be tried now; nothing is. Raises what ``answer`` would raise before its first attempt."""
        return choose(profile, self._snapshot(), self._standings, self._clock.monotonic())

    def waiting(self, request_id: str) -> Waiting | None:
        """What the client of a request is told while it waits; ``None`` when there is nothing to tell."""
        tell = self._waits.get(request_id)
        return None if tell is None else tell()

    async def _first_answer(self, flight: Flight, ask: Ask[T]) -> tuple[Attempt, T]:
        """What the first attempt that succeeds returned."""
        request = flight.request
        route = choose(request.profile, self._snapshot(), self._standings, flight.started)
        self.taken.add(request.id, request.profile, route)
        first: RoundhouseError | None = None
        last: RoundhouseError | None = None
        #: Whose failure the next try would follow.
        failed: str | None = None
        for number, candidate in enumerate(route.candidates):
            if failed is not None and not self._standings.budget(failed).spend(self._clock.monotonic()):
                raise flight.told(first or CapacityError(), [each.id for each in route.candidates[number:]])
            try:
                later = route.candidates[number + 1 :]
                attempt = await self._begin(flight, candidate, later, despite_breaker=route.last_resort)
            except CapacityError as full:  # its queue: nothing was sent, so nothing is paid
                last = full
                continue
            if attempt is None:
                continue
            if first is None:
                self._standings.budget(candidate.deployment.backend).earn()
            try:
                return attempt, await self._ask(flight, attempt, ask)
            except RoundhouseError as error:
                if not error.retryable or flight.deadline.expired:
                    raise
                first, last, failed = first or error, error, candidate.deployment.backend
        raise last or CapacityError("every deployment of this model is being probed")

    async def _begin(
        self, flight: Flight, candidate: Candidate, later: Sequence[Candidate], *, despite_breaker: bool
    ) -> Attempt | None:
        """Get past the breaker and through the gate; waits only when no slot is free. Raises CapacityError."""
        permit = self._permit(candidate, despite_breaker=despite_breaker)
        if permit is None:
            return None
        gate = self._gates.of(candidate.deployment.backend)
        slot = gate.take(candidate.deployment)
        if slot is None:
            try:
                slot = await self._queue(flight, candidate, gate, later)
            except BaseException:
                permit.released()
                raise
            if permit.is_void:
                permit.released()
                permit = self._permit(candidate, despite_breaker=despite_breaker)  # one of them may be the probe
            if permit is None:
                slot.give_back()
                return None
        return flight.begin(candidate, permit, slot)

    async def _queue(self, flight: Flight, candidate: Candidate, gate: Gate, later: Sequence[Candidate]) -> Slot:
        request, since = flight.request, self._clock.monotonic()
        self._waits[request.id] = lambda: gate.waiting(request.id)
        try:
            with flight.deadline:
                return await gate.wait(request, candidate.deployment, lambda: self._is_any_free(later))
        finally:
            self._waits.pop(request.id, None)
            flight.waited(self._clock.monotonic() - since)

    def _is_any_free(self, candidates: Sequence[Candidate]) -> bool:
        now = self._clock.monotonic()
        return any(self._standings.of(each.id, each.deployment.backend).is_free(now) for each in candidates)

    async def _ask(self, flight: Flight, attempt: Attempt, ask: Ask[T]) -> T:
        """Make one try; a failure is written down."""
        request, deployment = flight.request, attempt.candidate.deployment
        patience = None
        try:
            attempt.cold = self._loads(request, deployment)
            if attempt.cold:
                self._waits[request.id] = lambda: loading(deployment, self._clock.monotonic() - attempt.started)
            patience = self._patience(request, attempt)
            with flight.deadline, patience or nullcontext():
                answered = await ask(self._backend(deployment.backend), request, deployment)
        except BaseException as raised:
            error = ours(raised, deployment.backend)
            impatient = patience is not None and patience.expired and isinstance(error, DeadlineError)
            if impatient and not flight.deadline.expired:
                message = f"{deployment.backend} sent nothing within its time limit"
                error = BackendError(message, hint="see first_token_s and total_s of this backend")
                flight.failed(attempt, error)
                raise error from None
            flight.failed(attempt, error)
            if error is not raised:
                raise error from raised
            raise
        finally:
            if patience is not None:
                patience.close()
            if attempt.cold:
                self._waits.pop(request.id, None)
        if attempt.cold:
            self.warmed(deployment.backend)
        return answered

    def _loads(self, request: InferenceRequest, deployment: Deployment) -> bool:
        """Whether weights are loaded before *request* is answered, as far as anybody knows."""
        if deployment.residency is Residency.COLD:
            return True
        backend = self._backends.get(deployment.backend)
        if backend is None or Feature.RELOAD not in backend.features:
            return False
        return cast("Reloading", backend).reloads(request, deployment)

    def _patience(self, request: InferenceRequest, attempt: Attempt) -> Deadline | None:
        """The backend's own limit for what is asked, if it has one. Loading weights is not counted as silence."""
        rules = self._gates.of(attempt.candidate.deployment.backend).rules
        limit_s = rules.total_s
        if request.stream and rules.first_token_s is not None and not attempt.cold:
            limit_s = rules.first_token_s if limit_s is None else min(limit_s, rules.first_token_s)
        return None if limit_s is None else Deadline(limit_s)

    def _permit(self, candidate: Candidate, *, despite_breaker: bool) -> Permit | None:
        standing = self._standings.of(candidate.id, candidate.deployment.backend)
        return standing.admit(self._clock.monotonic(), despite_breaker=despite_breaker)

    def _backend(self, name: str) -> Backend:
        backend = self._backends.get(name)
        if backend is None:
            message = f"backend {name} is gone"
            raise BackendError(message)
        return backend


def _nobody(_backend: str) -> None:
    """Nobody wants to hear it."""


def _whole(backend: Backend, request: InferenceRequest, deployment: Deployment) -> Awaitable[Answer]:
    return backend.answer(request, deployment)
