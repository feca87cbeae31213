"""One request under way: its attempts, its time, its record. Knows nothing about backends or how to choose.

Exactly one UsageRecord leaves per flight, whichever way it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from roundhouse.core.clock import Clock
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Answer, Deployment, InferenceRequest
from roundhouse.core.ledger import AttemptRecord, UsageRecord
from roundhouse.health.standing import Permit
from roundhouse.routing.route import Candidate
from roundhouse.serving.admission.gate import Slot
from roundhouse.serving.consumption import NOTHING, Consumption, consumed_by
from roundhouse.serving.deadline import Deadline
from roundhouse.serving.verdict import blame, outcome_of


@dataclass(frozen=True, slots=True)
class Served:
    """Who answers a request: known once there is a whole answer, or the first visible piece of one."""

    #: The request's own id, so that the decision is found by the id of its usage record.
    route_id: str
    deployment: Deployment
    #: Tries it took, this one included.
    attempts: int
    #: Time spent in our code until now, without the waiting for any backend.
    overhead_ms: float
    #: USD; ``None`` while streaming, or when the price is unknown.
    cost_usd: float | None
    #: Time in queues.
    queued_ms: float = 0.0
    #: ``hit``, ``shared`` or ``miss`` when a cache was asked.
    cache: str | None = None


class Attempt:
    """One try at one deployment."""

    __slots__ = ("candidate", "cold", "first_token_ms", "held_s", "permit", "slot", "started")

    def __init__(self, candidate: Candidate, permit: Permit, slot: Slot, started: float) -> None:
        self.candidate = candidate
        self.permit = permit
        self.slot = slot
        self.started = started
        #: Weights are loaded before it is answered.
        self.cold = False
        #: Since this try began, whatever was tried before it: the deployment's own figure.
        self.first_token_ms: float | None = None
        #: Time in which the reader of its stream did not ask for more.
        self.held_s = 0.0


class Flight:
    """One request under way; ``answered``, ``landed`` or ``lost`` ends it."""

    __slots__ = (
        "_attempts",
        "_clock",
        "_first_token_ms",
        "_meter",
        "_overhead_ms",
        "_upstream_s",
        "_waited_s",
        "deadline",
        "request",
        "started",
    )

    def __init__(self, request: InferenceRequest, meter: Callable[[UsageRecord], None], clock: Clock) -> None:
        self.request = request
        self.started = clock.monotonic()
        self.deadline = Deadline(request.timeout_s)
        self._meter = meter
        self._clock = clock
        self._attempts: list[AttemptRecord] = []
        self._upstream_s = 0.0
        self._waited_s = 0.0
        self._first_token_ms: float | None = None
        self._overhead_ms: float | None = None

    def begin(self, candidate: Candidate, permit: Permit, slot: Slot) -> Attempt:
        """Start one try."""
        return Attempt(candidate, permit, slot, self._clock.monotonic())

    def now(self) -> float:
        """Seconds that only grow."""
        return self._clock.monotonic()

    def waited(self, seconds: float) -> None:
        """Time that was spent in a queue, whatever came of it."""
        self._waited_s += seconds

    def told(self, error: RoundhouseError, not_tried: Sequence[str]) -> RoundhouseError:
        """*error*, with what was tried, and what was not because there were too many failures already."""
        error.details["attempts"] = [f"{each.deployment}: {each.outcome}" for each in self._attempts]
        error.details["not_tried"] = list(not_tried)
        error.details["retry_budget"] = "spent"
        return error

    def failed(self, attempt: Attempt, error: BaseException) -> None:
        """The try is over, without anything to show."""
        now = self._clock.monotonic()
        self._upstream_s += now - attempt.started
        self._end(attempt, error, now)

    def answered(self, attempt: Attempt, answer: Answer) -> Served:
        """The whole answer is there: write the record."""
        now = self._clock.monotonic()
        self._upstream_s += now - attempt.started
        self._end(attempt, None, now)
        record = self._record(attempt, None, consumed_by(answer, self.request.profile))
        return self._served(attempt, len(self._attempts), record.overhead_ms, record.cost_usd)

    def committed(self, attempt: Attempt) -> Served:
        """The first visible piece is there, and with it the point of no return; ``landed`` must follow."""
        now = self._clock.monotonic()
        self._upstream_s += now - attempt.started
        attempt.first_token_ms = (now - attempt.started) * 1e3
        self._first_token_ms = (now - self.started) * 1e3
        # From here on the client's reading is mixed into the time, so this is the figure that stays.
        self._overhead_ms = self._overhead(now)
        return self._served(attempt, len(self._attempts) + 1, self._overhead_ms, None)

    def landed(self, attempt: Attempt, error: BaseException | None, consumed: Consumption) -> None:
        """The stream is over: write the record."""
        self._end(attempt, error, self._clock.monotonic())
        self._record(attempt, error, consumed)

    def lost(self, error: BaseException) -> None:
        """Nobody answered: write the record."""
        self._record(None, error, NOTHING)

    def _end(self, attempt: Attempt, error: BaseException | None, now: float) -> None:
        lasted_s = now - attempt.started
        attempt.slot.leave(error)
        if error is None:
            attempt.permit.succeeded(now, lasted_s * 1e3, attempt.first_token_ms)
        else:
            blame(attempt.permit, error, now, lasted_s)
        slot = attempt.slot
        self._attempts.append(
            AttemptRecord(
                attempt.candidate.id,
                outcome_of(error),
                lasted_s * 1e3,
                attempt.first_token_ms,
                slot.waited_s * 1e3,
                attempt.cold,
                slot.beside,
                attempt.held_s * 1e3,
            )
        )

    def _overhead(self, now: float) -> float:
        return max(0.0, now - self.started - self._upstream_s - self._waited_s) * 1e3

    def _record(self, attempt: Attempt | None, error: BaseException | None, consumed: Consumption) -> UsageRecord:
        self.deadline.close()
        request, usage = self.request, consumed.usage
        deployment = attempt.candidate.deployment if attempt else None
        now = self._clock.monotonic()
        record = UsageRecord(
            id=request.id,
            at=self._clock.now(),
            principal=request.principal,
            operation=request.profile.operation,
            requested=request.profile.model,
            model=deployment.model if deployment else None,
            backend=deployment.backend if deployment else None,
            prompt_tokens=usage.prompt,
            completion_tokens=usage.completion,
            cached_tokens=usage.cached,
            cost_usd=consumed.cost_usd(deployment) if deployment else 0.0,
            latency_ms=(now - self.started) * 1e3,
            first_token_ms=self._first_token_ms,
            overhead_ms=self._overhead(now) if self._overhead_ms is None else self._overhead_ms,
            stream=request.stream,
            outcome=outcome_of(error),
            attempts=tuple(self._attempts),
            estimated=consumed.estimated,
            queued_ms=self._waited_s * 1e3,
        )
        self._meter(record)
        return record

    def _served(self, attempt: Attempt, tries: int, overhead_ms: float, cost_usd: float | None) -> Served:
        queued_ms = self._waited_s * 1e3
        return Served(self.request.id, attempt.candidate.deployment, tries, overhead_ms, cost_usd, queued_ms)
