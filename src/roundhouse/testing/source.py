"""A source whose connections go as scripted: the `Source` port in memory, for tests. Knows nothing about networks."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from roundhouse.core.artifacts import Digest, FileName, Plan, PlannedFile
from roundhouse.core.errors import NetworkError, NotFoundError, RoundhouseError
from roundhouse.core.ports import ByteStream


@dataclass(frozen=True, slots=True)
class Connection:
    """What one connection does before it ends well, if it does."""

    #: Raised instead of opening.
    error: RoundhouseError | None = None
    #: Where it begins, whatever was asked; ``None`` is where was asked.
    offset: int | None = None
    #: Bytes after which it is cut, or goes silent.
    cut_after: int | None = None
    stall_after: int | None = None
    #: Bytes that do not belong there, at the end.
    surplus: bytes = b""
    #: What it says that its bytes are a version of.
    version: str | None = None


class ScriptedSource:
    """Serves *data* under every reference; the first connections as scripted, the others as they should be."""

    scheme = "fake"

    def __init__(self, data: bytes, *script: Connection, piece_bytes: int = 1000) -> None:
        self.data, self._script, self._piece_bytes = data, list(script), piece_bytes
        self.plan_files: tuple[PlannedFile, ...] = (self.file(),)
        #: The offset of every connection that was asked for, and how many bytes.
        self.opened: list[int] = []
        self.lengths: list[int | None] = []
        #: Set when a connection has gone silent.
        self.silent = asyncio.Event()

    def file(self, name: str = "model.gguf", *, sized: bool = True, digested: bool = True) -> PlannedFile:
        """The file to ask for."""
        digest = Digest(hashlib.sha256(self.data).hexdigest()) if digested else None
        return PlannedFile(FileName(name), len(self.data) if sized else None, digest, name)

    async def resolve(self, ref: str) -> Plan:
        """One file, whatever the reference, named by its last part. Raises NotFoundError for ``…/missing``."""
        if ref.endswith("/missing"):
            message = "no such thing there"
            raise NotFoundError(message)
        return Plan(ref, self.scheme, ref.partition(":")[2].rpartition("/")[2], "1", self.plan_files)

    @asynccontextmanager
    async def open(self, file: PlannedFile, offset: int, length: int | None = None) -> AsyncIterator[ByteStream]:
        """The next connection of the script."""
        self.opened.append(offset)
        self.lengths.append(length)
        connection = self._script.pop(0) if self._script else Connection()
        if connection.error is not None:
            raise connection.error
        begin = offset if connection.offset is None else connection.offset
        total = None if file.size is None else len(self.data)
        if connection.offset is not None:
            length = None
        yield ByteStream(begin, total, self._pieces(begin, length, connection), length, connection.version)

    async def _pieces(self, begin: int, length: int | None, connection: Connection) -> AsyncIterator[bytes]:
        limits = [limit for limit in (connection.cut_after, connection.stall_after, length) if limit is not None]
        end = min([len(self.data), *(begin + limit for limit in limits)])
        for start in range(begin, end, self._piece_bytes):
            yield self.data[start : min(end, start + self._piece_bytes)]
        if connection.stall_after is not None:
            self.silent.set()
            await asyncio.Event().wait()
        if connection.cut_after is not None:
            message = "the connection was cut"
            raise NetworkError(message)
        if connection.surplus:
            yield connection.surplus
