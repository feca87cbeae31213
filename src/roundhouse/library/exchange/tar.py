"""The tar of a bundle: plain files and nothing else. Knows nothing about models.

Python's ``tarfile`` understands links, devices, sparse files and headers of any length, in files that nobody trusts.
Here there is one kind of entry, so that there is nothing to defend against: whatever is not a plain file is refused.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from tarfile import GNU_FORMAT, USTAR_FORMAT, TarInfo

from roundhouse.core.errors import SchemaError, VerifyError

BLOCK = 512
#: Tars end on this boundary; tapes wanted it.
_RECORD = 10_240
_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
#: The largest size that the octal field holds.
_MOST_OCTAL = 8**11 - 1
_CUT_HINT = "copy the bundle again: it is not whole"


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a tar."""

    name: str
    size: int


def header(member: Member) -> bytes:
    """The block before a file: without time and owner, so that the same models give the same tar."""
    entry = TarInfo(member.name)
    entry.size, entry.mode = member.size, 0o644
    return entry.tobuf(USTAR_FORMAT if member.size <= _MOST_OCTAL else GNU_FORMAT)


def padding(size: int) -> bytes:
    """What fills the last block of a file of *size* bytes."""
    return bytes(-size % BLOCK)


def end(written: int) -> bytes:
    """What stands behind the last file, *written* bytes after the begin."""
    return bytes(2 * BLOCK + -(written + 2 * BLOCK) % _RECORD)


def whole_size(members: list[Member]) -> int:
    """Bytes of a tar with *members*."""
    inner = sum(BLOCK + member.size + -member.size % BLOCK for member in members)
    return inner + len(end(inner))


def parse(block: bytes) -> Member | None:
    """What a header says; ``None`` for the first block of the end. Raises SchemaError."""
    if block == bytes(BLOCK):
        return None
    summed = _OCTAL.fullmatch(block[148:156])
    if summed is None or int(summed[1], 8) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        message = "this is no tar, or its headers are damaged"
        raise SchemaError(message, hint="make a bundle with `roundhouse models bundle`")
    name, _, rest = block[:100].partition(b"\0")
    if block[156:157] not in {b"0", b"\0"} or any(block[157:257]) or any(block[345:500]) or any(rest):
        message = f"a bundle holds plain files only, {_shown(name)} is none"
        raise SchemaError(message)
    return Member(_shown(name), _size(block[124:136], _shown(name)))


def _shown(name: bytes) -> str:
    return "".join(char if char.isprintable() else "?" for char in name.decode("ascii", "replace"))


def _size(field: bytes, name: str) -> int:
    if field[0] == 0x80:  # noqa: PLR2004 - base 256, for what octal cannot hold
        return int.from_bytes(field[1:], "big")
    octal = _OCTAL.fullmatch(field)
    if octal is None:
        message = f"the size of {name} cannot be read"
        raise SchemaError(message)
    return int(octal[1], 8)


class Tape:
    """A tar that comes in pieces of any length, read in order."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._held = bytearray()
        #: Bytes read so far.
        self.position = 0

    async def exactly(self, count: int) -> bytes:
        """The next *count* bytes. Raises VerifyError when there are fewer."""
        while len(self._held) < count:
            if not await self._more():
                message = f"the bundle ends after {self.position + len(self._held):,} bytes, in the middle of a file"
                raise VerifyError(message, hint=_CUT_HINT)
        return self._take(count)

    async def parts(self, count: int, most: int) -> AsyncIterator[bytes]:
        """The next *count* bytes, *most* at a time."""
        while count:
            part = await self.exactly(min(count, most))
            count -= len(part)
            yield part

    async def skip_padding(self, size: int) -> None:
        """Pass over what fills the last block of a file of *size* bytes."""
        await self.exactly(-size % BLOCK)

    async def member(self) -> Member | None:
        """The next file; ``None`` at the end. Raises SchemaError, VerifyError."""
        return parse(await self.exactly(BLOCK))

    async def finish(self) -> None:
        """Read the end. Raises SchemaError when there is something behind it, VerifyError."""
        rest = len(await self.exactly(BLOCK))
        while self._held or await self._more():
            rest += len(self._held)
            if rest > 2 * _RECORD or any(self._take(len(self._held))):
                message = "there is something behind the end of the bundle"
                raise SchemaError(message)

    async def _more(self) -> bool:
        """Wait for the next piece; whether there was one."""
        async for piece in self._chunks:
            if piece:
                self._held += piece
                return True
        return False

    def _take(self, count: int) -> bytes:
        taken = bytes(memoryview(self._held)[:count])
        del self._held[:count]
        self.position += count
        return taken
