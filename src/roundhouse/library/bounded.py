"""Reading little-endian fields from a file that may lie about its lengths. Knows nothing about any format.

Every length is compared with what is left of the file before anything is read or allocated for it.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from roundhouse.core.errors import SchemaError

_WINDOW = 1 << 20


class BoundedReader:
    """A cursor in a file of known size that never reads beyond its end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size
        self._window, self._start = b"", 0
        #: The offset of the next byte.
        self.position = 0

    @property
    def left(self) -> int:
        """Bytes from here to the end."""
        return self.size - self.position

    def bounded(self, count: int, width: int = 1) -> int:
        """Return *count* when that many items of *width* bytes fit into the rest. Raises SchemaError."""
        if count * width > self.left:
            message = f"the file promises {count} items of {width} bytes at {self.position}, {self.left} bytes are left"
            raise SchemaError(message, hint="the file is cut off or damaged")
        return count

    def skip(self, count: int) -> None:
        """Pass over *count* bytes. Raises SchemaError."""
        self.position += self.bounded(count)

    def take(self, count: int) -> bytes:
        """The next *count* bytes. Raises SchemaError."""
        self.bounded(count)
        begin = self.position - self._start
        if begin < 0 or begin + count > len(self._window):
            self._file.seek(self.position)
            self._window, self._start, begin = self._file.read(max(count, _WINDOW)), self.position, 0
        self.position += count
        taken = self._window[begin : begin + count]
        if len(taken) != count:
            message = "the file became shorter while it was read"
            raise SchemaError(message)
        return taken

    def number(self, layout: struct.Struct) -> int | float | bool:
        """One number. Raises SchemaError."""
        value: int | float | bool = layout.unpack(self.take(layout.size))[0]
        return value

    def count(self, layout: struct.Struct) -> int:
        """One unsigned number. Raises SchemaError."""
        return int(self.number(layout))
