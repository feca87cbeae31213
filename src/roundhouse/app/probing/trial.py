"""Has a model count to twenty: whether it answers, whether sensibly, and how quickly. Knows nothing of baselines.

Counting, because every model that can do anything can do that, and because it is long enough to be timed.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal
from uuid import uuid4

import msgspec

from roundhouse.core.errors import DeadlineError, SchemaError
from roundhouse.core.figures.baselines import Pace
from roundhouse.core.inference import Capability, Chunk, Deployment, InferenceRequest, Operation, Profile, Residency
from roundhouse.core.ports import Backend
from roundhouse.serving.consumption import possible

#: Loading a large model from a slow disk takes its time.
PATIENCE_S = 120.0
_UPTO = 20
_QUESTION = f"Count from 1 to {_UPTO} in digits, separated by commas. Write nothing else."
_ASK = {"messages": [{"role": "user", "content": _QUESTION}], "stream": True}
_PLAIN = {"max_tokens": 128, "temperature": 0}
#: How those want to be asked that think before they speak: they refuse both of the others.
_THINKING = {"max_completion_tokens": 512}
#: Characters of an answer that are looked at, and that are shown: the last ones, as thoughts come before.
_MOST, _SHOWN = 4_000, 200
#: Numbers in order that say that it would have been right, had it not been cut.
_PROMISING = 5
#: Shorter answers, and those that came in one piece, say nothing about speed.
_LEAST_TOKENS, _LEAST_S = 8, 0.05

Verdict = Literal["right", "wrong", "unsure"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a model said, and how quickly."""

    reply: str
    verdict: Verdict
    prompt_tokens: int
    first_token_ms: float | None
    #: After the first one; ``None`` when too few came, or all at once.
    tokens_per_s: float | None

    @property
    def pace(self) -> Pace | None:
        """What a baseline is made of."""
        if self.tokens_per_s is None or self.first_token_ms is None:
            return None
        return Pace(self.tokens_per_s, self.first_token_ms)


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)


class _Piece(msgspec.Struct):
    choices: list[_Choice] = []


_decoder = msgspec.json.Decoder(_Piece)


async def try_out(backend: Backend, deployment: Deployment, now: Callable[[], float]) -> Outcome:
    """Ask once; twice where the weights have to be loaded first. Raises what the backend raises, DeadlineError."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            if deployment.residency is Residency.COLD:
                await _ask(backend, deployment, now)
            return await _ask(backend, deployment, now)
    except TimeoutError:
        message = f"{deployment.id} did not answer within {PATIENCE_S:g} s"
        raise DeadlineError(message) from None


def judge(text: str) -> Verdict:
    """Whether *text* is a count to twenty; ``unsure`` when it could have become one, or says nothing."""
    numbers = [0, *(int(found) for found in re.findall(r"[0-9]{1,9}", text))]
    run = longest = 0
    for before, number in pairwise(numbers):
        run = 1 if number == 1 else run + 1 if run and number == before + 1 else 0
        longest = max(longest, run)
    if longest >= _UPTO:
        return "right"
    return "unsure" if run >= _PROMISING or not text.strip() else "wrong"


async def _ask(backend: Backend, deployment: Deployment, now: Callable[[], float]) -> Outcome:
    try:
        return await _timed(backend, _request(deployment, _PLAIN), deployment, now)
    except SchemaError:
        return await _timed(backend, _request(deployment, _THINKING), deployment, now)


def _request(deployment: Deployment, limits: dict[str, int]) -> InferenceRequest:
    return InferenceRequest(
        id=uuid4().hex,
        profile=Profile(Operation.CHAT, deployment.model, frozenset({Capability.CHAT}), prompt_tokens=24),
        body=json.dumps(_ASK | limits | {"model": deployment.model}).encode(),
        stream=True,
        timeout_s=PATIENCE_S,
    )


async def _timed(
    backend: Backend, request: InferenceRequest, deployment: Deployment, now: Callable[[], float]
) -> Outcome:
    began, first, usage = now(), None, None
    pieces, said = 0, ""
    stream = backend.stream(request, deployment)
    try:
        async for chunk in stream:
            if chunk.visible:
                first = now() if first is None else first
                pieces += 1
                said = (said + _words(chunk))[-_MOST:]
            usage = usage if chunk.usage is None else possible(chunk.usage)
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
    tokens = pieces if usage is None else usage.completion
    making_s = 0.0 if first is None else now() - first
    is_timed = tokens >= _LEAST_TOKENS and making_s >= _LEAST_S
    return Outcome(
        said[-_SHOWN:],
        judge(said),
        request.profile.prompt_tokens if usage is None else max(0, usage.prompt - usage.cached),
        None if first is None else (first - began) * 1e3,
        tokens / making_s if is_timed else None,
    )


def _words(chunk: Chunk) -> str:
    try:
        return "".join(each.delta.content or "" for each in _decoder.decode(chunk.data).choices)
    except msgspec.DecodeError:
        return ""
