"""The frames of a WebSocket (RFC 6455, 5.2): written by a server, and read from a client that is not trusted.

Knows nothing about sockets.
"""

from __future__ import annotations

from collections.abc import Iterator

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_KNOWN = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
_FIN, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
_SHORT, _TWO_BYTES = 125, 126
_MASK_BYTES = 4
#: Bytes of one frame; whoever listens has little to say.
MOST = 4096
PROTOCOL_ERROR, TOO_BIG = 1002, 1009


class FrameError(Exception):
    """The client does not speak the protocol, or says too much."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Frames:
    """Reads frames from bytes as they come."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The opcode and the payload of each frame that is whole now. Raises FrameError."""
        self._waiting += data
        while (sizes := self._sizes()) is not None:
            head, length = sizes
            end = head + length
            if len(self._waiting) < end:
                return
            mask = self._waiting[head - _MASK_BYTES : head]
            payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(self._waiting[head:end]))
            opcode = self._waiting[0] & _OPCODE
            del self._waiting[:end]
            yield opcode, payload

    def _sizes(self) -> tuple[int, int] | None:
        """Bytes of the next frame's head and payload; ``None`` until its head is here. Raises FrameError."""
        have = self._waiting
        if len(have) < 2:  # noqa: PLR2004 - the first two bytes of every frame
            return None
        opcode, short = have[0] & _OPCODE, have[1] & _LENGTH
        if have[0] & _RESERVED or opcode not in _KNOWN or not have[1] & _MASKED:
            raise FrameError(PROTOCOL_ERROR, "that is no frame of a client")
        if opcode >= CLOSE and (short > _SHORT or not have[0] & _FIN):
            raise FrameError(PROTOCOL_ERROR, "a control frame must be short and whole")
        extra = 0 if short <= _SHORT else 2 if short == _TWO_BYTES else 8
        if len(have) < 2 + extra:
            return None
        length = int.from_bytes(have[2 : 2 + extra], "big") if extra else short
        if length > MOST:
            raise FrameError(TOO_BIG, f"at most {MOST} bytes are read")
        return 2 + extra + _MASK_BYTES, length


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole frame of a server."""
    length = len(payload)
    if length <= _SHORT:
        size = bytes([length])
    elif length < 1 << 16:
        size = bytes([_TWO_BYTES]) + length.to_bytes(2, "big")
    else:
        size = bytes([_TWO_BYTES + 1]) + length.to_bytes(8, "big")
    return bytes([_FIN | opcode]) + size + payload


def closing(code: int, reason: str) -> bytes:
    """The payload of a close frame."""
    return code.to_bytes(2, "big") + reason.encode()[: _SHORT - 2]
