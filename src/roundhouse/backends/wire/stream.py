"""A streamed answer from its first byte to its last. Knows nothing about sockets."""

from __future__ import annotations

from roundhouse.backends.wire.chunks import ChunkReader
from roundhouse.backends.wire.sse import EventParser
from roundhouse.core.errors import BackendError, RoundhouseError
from roundhouse.core.inference import Chunk

_DONE = b"[DONE]"


class AnswerStream:
    """Bytes in, chunks out. Those that came before a failure are given out before it is raised."""

    __slots__ = ("_chunks", "_events", "_failure", "done")

    def __init__(self) -> None:
        self._events = EventParser()
        self._chunks = ChunkReader()
        self._failure: RoundhouseError | None = None
        #: Nothing that comes after this matters.
        self.done = False

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that *data* completes."""
        if self.done:
            return []
        try:
            return self._read(self._events.feed(data))
        except RoundhouseError as error:
            self._failure, self.done = error, True
            return []

    def finish(self) -> list[Chunk]:
        """What is left at the end.

        Raises:
            RoundhouseError: the backend failed on the way, or the answer is not complete.

        """
        chunks = [] if self.done else self._read(self._events.finish())
        if self._failure is not None:
            raise self._failure
        if not self._chunks.finished:
            if not self.done:
                message = "the stream ended in the middle of the answer"
                raise BackendError(message)
            chunks.append(self._chunks.closing())
        return chunks

    def _read(self, payloads: list[bytes]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for payload in payloads:
            if payload == _DONE:
                self.done = True
                break
            try:
                chunks.append(self._chunks.read(payload))
            except RoundhouseError as error:
                self._failure, self.done = error, True
                break
        return chunks
