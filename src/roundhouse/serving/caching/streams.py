"""Streams that no backend sends: one from memory, one that several read. Knows nothing about where they came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from roundhouse.core.inference import Chunk, InferenceRequest
from roundhouse.serving.caching.flights import Flight
from roundhouse.serving.oneway import OneWay


class Replay(OneWay):
    """A stream that is all there."""

    def __init__(self, pieces: Sequence[Chunk], *, wants_usage: bool) -> None:
        self._rest = iter([piece for piece in pieces if wants_usage or not piece.usage_only])

    async def __anext__(self) -> Chunk:
        """The next piece."""
        for piece in self._rest:
            return piece
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """The client has what it wanted, or left."""
        self._rest = iter(())


class Shared(OneWay):
    """One reader's place in a stream on its way; the reader has joined it, and leaves it at the end."""

    def __init__(
        self, flight: Flight, request: InferenceRequest, over: Callable[[BaseException | None], None] | None = None
    ) -> None:
        self._flight = flight
        self._request = request
        self._tell = over
        self._place = 0
        self._is_complete = False
        self._is_over = False

    async def __anext__(self) -> Chunk:
        """The next piece."""
        if self._is_over:
            raise StopAsyncIteration
        try:
            while (chunk := await self._next()) is not None:
                self._is_complete = self._is_complete or chunk.final
                if self._request.wants_usage or not chunk.usage_only:
                    return chunk
        except BaseException as error:
            await self._end(error)
            raise
        await self._end(None)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """The client has what it wanted, or left."""
        await self._end(None if self._is_complete else GeneratorExit())

    async def _next(self) -> Chunk | None:
        place, flight = self._place, self._flight
        await flight.wait(lambda known: len(known.pieces) > place)
        if place == len(flight.pieces):
            return None
        self._place += 1
        return flight.pieces[place]

    async def _end(self, error: BaseException | None) -> None:
        if not self._is_over:
            self._is_over = True
            if self._tell is not None:
                self._tell(error)
            await self._flight.leave()
