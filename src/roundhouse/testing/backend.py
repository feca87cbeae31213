"""A backend inside the process that answers, fails and waits as its script says. Knows nothing about HTTP."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from roundhouse.core.inference import (
    Answer,
    Capability,
    Chunk,
    Deployment,
    InferenceRequest,
    Operation,
    Price,
    Profile,
    Residency,
    TokenUsage,
)
from roundhouse.core.ports import BackendHealth
from roundhouse.core.runtimes import Feature

_EVERYTHING = frozenset(Capability)
_USAGE = TokenUsage(prompt=5, completion=3)


def a_deployment(
    id: str = "fake/tiny",  # noqa: A002 - the field's word
    *,
    capabilities: frozenset[Capability] = _EVERYTHING,
    context: int | None = None,
    price: Price | None = None,
    residency: Residency = Residency.UNKNOWN,
) -> Deployment:
    """One deployment that can do everything, unless told otherwise."""
    backend, _, model = id.partition("/")
    return Deployment(backend, model, model, capabilities, context, price, residency)


def a_request(
    model: str = "tiny",
    *,
    stream: bool = False,
    timeout_s: float = 60.0,
    wants_usage: bool = False,
    operation: Operation = Operation.CHAT,
) -> InferenceRequest:
    """One small request."""
    profile = Profile(operation, model, frozenset({Capability(operation.value)}), prompt_tokens=12)
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}]}).encode()
    return InferenceRequest("r-1", profile, body, stream, wants_usage, timeout_s)


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure to come."""

    error: BaseException
    #: Visible pieces that a stream sends before it fails.
    after_pieces: int = 0


class FakeBackend:
    """Serves *models*: every answer is *pieces*, every stream one chunk per piece."""

    features: frozenset[Feature] = frozenset()

    def __init__(
        self,
        name: str = "fake",
        models: Sequence[str] = ("tiny",),
        *,
        pieces: Sequence[str] = ("one ", "two ", "three"),
        usage: TokenUsage | None = _USAGE,
    ) -> None:
        self.name = name
        self.models = tuple(models)
        self.pieces = tuple(pieces)
        self.usage = usage
        #: What was asked of whom, in order.
        self.calls: list[tuple[InferenceRequest, Deployment]] = []
        #: Failures that happened.
        self.faults_fired = 0
        #: Streams that ended, were closed or cancelled; as many as there were streams, if nobody leaks.
        self.streams_ended = 0
        self.closed = False
        #: Set while a call waits at the gate.
        self.waiting = asyncio.Event()
        self._faults: deque[Fault] = deque()
        self._gate = asyncio.Event()
        self._gate.set()
        self._pieces_before_gate = 0

    def fail(self, error: BaseException, *, times: int = 1, after_pieces: int = 0) -> None:
        """Let the next *times* calls fail; only streams send anything before."""
        self._faults.extend([Fault(error, after_pieces)] * times)

    def forgive(self) -> None:
        """Forget the failures that have not happened."""
        self._faults.clear()

    def hold(self, *, after_pieces: int = 0) -> None:
        """Let calls wait until ``let_go``: streams after so many visible pieces."""
        self._gate.clear()
        self._pieces_before_gate = after_pieces

    def let_go(self) -> None:
        """Let waiting calls go on."""
        self._gate.set()

    async def deployments(self) -> Sequence[Deployment]:
        """What it serves."""
        return [a_deployment(f"{self.name}/{model}") for model in self.models]

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """All pieces in one."""
        self.calls.append((request, deployment))
        await self._wait()
        if self._faults:
            raise self._fire(self._faults.popleft())
        message = {"role": "assistant", "content": "".join(self.pieces)}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return Answer(
            _json({"object": "chat.completion", "choices": choices, "model": deployment.upstream}), self.usage
        )

    async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncIterator[Chunk]:
        """A role, the pieces, a finish reason, the usage."""
        self.calls.append((request, deployment))
        fault = self._faults.popleft() if self._faults else None
        try:
            yield _chunk({"role": "assistant"})
            for number, piece in enumerate(self.pieces):
                if number == self._pieces_before_gate:
                    await self._wait()
                if fault and fault.after_pieces == number:
                    raise self._fire(fault)
                yield _chunk({"content": piece}, visible=True)
            if fault:
                raise self._fire(fault)
            yield _chunk({}, final=True)
            if self.usage:
                yield Chunk(
                    _json({"object": "chat.completion.chunk", "choices": []}), usage=self.usage, usage_only=True
                )
        finally:
            self.streams_ended += 1

    async def health(self) -> BackendHealth:
        """Always well."""
        return BackendHealth(ok=True, detail="a fake, and well", latency_ms=0.0)

    async def close(self) -> None:
        """Note that it was closed."""
        self.closed = True

    async def _wait(self) -> None:
        if not self._gate.is_set():
            self.waiting.set()
            await self._gate.wait()

    def _fire(self, fault: Fault) -> BaseException:
        self.faults_fired += 1
        return fault.error


def _chunk(delta: dict[str, str], *, visible: bool = False, final: bool = False) -> Chunk:
    choice = {"index": 0, "delta": delta, "finish_reason": "stop" if final else None}
    return Chunk(_json({"object": "chat.completion.chunk", "choices": [choice]}), visible=visible, final=final)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
