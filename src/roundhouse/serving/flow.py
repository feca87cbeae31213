"""A streamed answer on its way: opened until its first visible piece, then passed on. Knows nothing about SSE."""

from __future__ import annotations

from collections import deque
from typing import NoReturn

from roundhouse.core.errors import BackendError, RoundhouseError
from roundhouse.core.inference import Chunk, ChunkStream, Deployment, InferenceRequest
from roundhouse.core.ports import Backend
from roundhouse.serving.attempts import Attempt, Flight
from roundhouse.serving.consumption import Tally
from roundhouse.serving.foreign import ours
from roundhouse.serving.oneway import OneWay

#: Invisible chunks that are held back at most. A backend that sends more of them is working, and its client
#: gets to see that.
_MOST_HELD = 64


class Opened:
    """A stream whose first visible piece is there, and what came before it."""

    __slots__ = ("held", "rest")

    def __init__(self, rest: ChunkStream) -> None:
        self.held: deque[Chunk] = deque()
        self.rest = rest


async def opening(backend: Backend, request: InferenceRequest, deployment: Deployment) -> Opened:
    """Wait for the first visible piece; until then another deployment may still take over."""
    opened = Opened(backend.stream(request, deployment))
    try:
        async for chunk in opened.rest:
            opened.held.append(chunk)
            if chunk.visible or chunk.final or len(opened.held) >= _MOST_HELD:
                return opened
    except BaseException:
        await _close(opened.rest)
        raise
    message = f"{deployment.backend} ended the stream before it began"
    raise BackendError(message)


class Flow(OneWay):
    """The rest of a committed stream."""

    __slots__ = ("_attempt", "_complete", "_flight", "_gate", "_given", "_held", "_over", "_rest", "_tally")

    def __init__(self, flight: Flight, attempt: Attempt, opened: Opened) -> None:
        self._flight = flight
        self._attempt = attempt
        self._gate = attempt.slot.gate
        self._held = opened.held
        self._rest = opened.rest
        self._tally = Tally()
        self._complete = False
        self._over = False
        #: When the reader had its last piece.
        self._given = self._gate.moved = flight.now()

    async def __anext__(self) -> Chunk:
        """The next piece."""
        if self._over:
            raise StopAsyncIteration
        # A reader that is slower than the backend must not make the backend look slow.
        self._attempt.held_s += self._flight.now() - self._given
        try:
            with self._flight.deadline:
                while True:
                    chunk = self._held.popleft() if self._held else await anext(self._rest)
                    self._tally.add(chunk)
                    if chunk.final:
                        self._complete = True
                    if not chunk.usage_only or self._flight.request.wants_usage:
                        self._given = self._gate.moved = self._flight.now()
                        return chunk
        except StopAsyncIteration:
            await self._end_of_stream()
        except BaseException as raised:
            await self._cut(raised)
            raise

    async def aclose(self) -> None:
        """The client has what it wanted, or left."""
        if not self._over:
            self._land(None if self._complete else GeneratorExit())
            await _close(self._rest)

    async def _end_of_stream(self) -> NoReturn:
        """The backend has no more to say, which is only right after a finish reason."""
        if self._complete:
            self._land(None)
            raise StopAsyncIteration
        message = f"{self._attempt.candidate.deployment.backend} ended the stream without a finish reason"
        error = BackendError(message)
        self._land(error)
        raise error

    async def _cut(self, raised: BaseException) -> None:
        """The stream broke. After the finish reason the answer is whole all the same, and only ends."""
        error = ours(raised, self._attempt.candidate.deployment.backend)
        is_whole = self._complete and isinstance(error, RoundhouseError)
        self._land(None if is_whole else error)
        await _close(self._rest)
        if is_whole:
            raise StopAsyncIteration from None
        if error is not raised:
            raise error from raised

    def _land(self, error: BaseException | None) -> None:
        self._over = True
        profile = self._flight.request.profile
        self._flight.landed(self._attempt, error, self._tally.total(profile, complete=error is None))


async def _close(stream: ChunkStream) -> None:
    """Stop the upstream's work. Not every iterator is a generator."""
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()
