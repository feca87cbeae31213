"""A serving room that says what a test wrote down, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Answer, Capability, Chunk, Deployment, InferenceRequest
from roundhouse.serving.admission.rules import Waiting
from roundhouse.serving.attempts import Served

#: A step of a script: a piece of the answer, an error, or something to wait for.
Step = Chunk | RoundhouseError | Callable[[], Awaitable[object]]

DEPLOYMENT = Deployment("fake", "tiny", "tiny-upstream", frozenset(Capability), local=True)


class ScriptedServing:
    """Answers with *answer*, streams *steps*; an error in either is raised."""

    def __init__(self, answer: bytes | RoundhouseError = b"{}", steps: Sequence[Step] = ()) -> None:
        self.reply = answer
        self.steps = list(steps)
        #: What ``answer`` and ``stream`` wait for before they do anything.
        self.gate = asyncio.Event()
        self.gate.set()
        self.deployment = DEPLOYMENT
        #: What those who wait are told.
        self.told: Waiting | None = None
        self.requests: list[InferenceRequest] = []
        self.asked = asyncio.Event()
        self.cancelled = asyncio.Event()
        #: Set when a stream was closed, however it ended.
        self.closed = asyncio.Event()

    async def answer(self, request: InferenceRequest) -> tuple[Served, Answer]:
        """Give the scripted answer."""
        await self._enter(request)
        if isinstance(self.reply, RoundhouseError):
            raise self.reply
        return self._served(request, cost_usd=0.00125), Answer(self.reply)

    async def stream(self, request: InferenceRequest) -> tuple[Served, AsyncGenerator[Chunk, None]]:
        """Stream the scripted steps; an error in the first place is raised before anything is committed."""
        await self._enter(request)
        if self.steps and isinstance(self.steps[0], RoundhouseError):
            raise self.steps[0]
        return self._served(request, cost_usd=None), self._play()

    def waiting(self, _request_id: str) -> Waiting | None:
        """What the script says."""
        return self.told

    async def _enter(self, request: InferenceRequest) -> None:
        self.requests.append(request)
        self.asked.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def _play(self) -> AsyncGenerator[Chunk, None]:
        try:
            for step in self.steps:
                if isinstance(step, RoundhouseError):
                    raise step
                if isinstance(step, Chunk):
                    yield step
                else:
                    await step()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            self.closed.set()

    def _served(self, request: InferenceRequest, cost_usd: float | None) -> Served:
        return Served(request.id, self.deployment, 1, 0.25, cost_usd)
