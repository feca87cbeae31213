"""Bytes in any split in, lines of JSON out. Knows nothing about what a line means."""

from __future__ import annotations

from roundhouse.core.errors import BackendError

#: A line that is longer is an attack or a mistake; the longest honest ones are tool calls with a file in them.
MAX_LINE = 16 << 20


class LineParser:
    """One stream of lines; an empty line is none."""

    __slots__ = ("_buffer", "_max_line", "_seen")

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self._max_line = max_line
        self._buffer = bytearray()
        #: Bytes at the front of the buffer that are known to hold no line end.
        self._seen = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that *data* completes.

        Raises:
            BackendError: a line is longer than the limit.

        """
        buffer = self._buffer
        buffer += data
        end = buffer.rfind(b"\n", self._seen)
        whole = bytes(buffer[: end + 1])
        del buffer[: end + 1]
        self._seen = len(buffer)
        if len(buffer) > self._max_line:
            message = f"a line of the stream is longer than {self._max_line} bytes"
            raise BackendError(message)
        return [line for line in (each.strip() for each in whole.split(b"\n")) if line]

    def finish(self) -> list[bytes]:
        """The line that the end of the stream left without its line end, if any."""
        line = bytes(self._buffer).strip()
        self._buffer.clear()
        self._seen = 0
        return [line] if line else []
