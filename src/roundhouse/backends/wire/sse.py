"""Bytes in any split in, payloads of server-sent events out. Knows nothing about what a payload means.

Follows the event stream format of the WHATWG HTML standard, with two differences: only ``data`` is kept, and an
event that the end of the stream cut off before its blank line is given out too, because real servers forget that
line after ``[DONE]``; one that was really cut is no JSON, and fails there.
"""

from __future__ import annotations

from roundhouse.core.errors import BackendError

_BOM = b"\xef\xbb\xbf"
#: An event that is larger is an attack or a mistake; the largest honest ones are tool calls with a file in them.
MAX_EVENT = 16 << 20


class EventParser:
    """One event stream."""

    __slots__ = ("_after_cr", "_buffer", "_max_event", "_seen", "_started")

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._buffer = bytearray()
        #: Bytes at the front of the buffer that are known to hold no end of an event.
        self._seen = 0
        self._after_cr = False
        self._started = False

    def feed(self, data: bytes) -> list[bytes]:
        """Payloads of the events that *data* completes.

        Raises:
            BackendError: an event is larger than the limit.

        """
        buffer = self._buffer
        buffer += self._with_line_feeds(data)
        if not self._started and not self._start():
            return []
        payloads = []
        begin, end = 0, buffer.find(b"\n\n", self._seen)
        while end >= 0:
            payload = _payload(bytes(buffer[begin:end]))
            if payload is not None:
                payloads.append(payload)
            begin = end + 2
            end = buffer.find(b"\n\n", begin)
        if begin:
            del buffer[:begin]
        self._seen = max(0, len(buffer) - 1)
        if len(buffer) > self._max_event:
            message = f"an event of the stream is larger than {self._max_event} bytes"
            raise BackendError(message)
        return payloads

    def finish(self) -> list[bytes]:
        """The payload that the end of the stream cut off, if any."""
        payload = _payload(bytes(self._buffer))
        self._buffer.clear()
        return [] if payload is None else [payload]

    def _with_line_feeds(self, data: bytes) -> bytes:
        """*data* with every line end as LF; a CR LF that was split between two pieces is one line end."""
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if b"\r" not in data:
            return data
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _start(self) -> bool:
        """Drop a byte order mark; False while there are too few bytes to tell."""
        if len(self._buffer) < len(_BOM) and _BOM.startswith(self._buffer):
            return False
        if self._buffer.startswith(_BOM):
            del self._buffer[: len(_BOM)]
        self._started = True
        return True


def _payload(event: bytes) -> bytes | None:
    """The data of one event; ``None`` when it has none (a comment, a lone event name)."""
    # Nearly every event of every model server is one such line.
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:") or line == b"data"]
    return b"\n".join(lines) if lines else None
