"""The usage record of a request that no backend was asked for. Knows nothing about where its answer was."""

from __future__ import annotations

from roundhouse.core.clock import Clock
from roundhouse.core.inference import Deployment, InferenceRequest
from roundhouse.core.ledger import UsageRecord
from roundhouse.serving.attempts import Served
from roundhouse.serving.verdict import outcome_of


def served_by(request: InferenceRequest, deployment: Deployment, lasted_s: float, cache: str) -> Served:
    """Who answered it once, for nothing now."""
    return Served(request.id, deployment, 0, lasted_s * 1e3, 0.0, cache=cache)


def record_of(
    request: InferenceRequest,
    deployment: Deployment | None,
    started: float,
    clock: Clock,
    *,
    cache: str,
    error: BaseException | None = None,
) -> UsageRecord:
    """One request that used nothing."""
    lasted_ms = (clock.monotonic() - started) * 1e3
    return UsageRecord(
        id=request.id,
        at=clock.now(),
        principal=request.principal,
        operation=request.profile.operation,
        requested=request.profile.model,
        model=deployment.model if deployment else None,
        backend=deployment.backend if deployment else None,
        prompt_tokens=0,
        completion_tokens=0,
        cached_tokens=0,
        cost_usd=0.0,
        latency_ms=lasted_ms,
        first_token_ms=None,
        overhead_ms=lasted_ms if cache == "hit" else 0.0,
        stream=request.stream,
        outcome=outcome_of(error),
        attempts=(),
        cache=cache,
    )
