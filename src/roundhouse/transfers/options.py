"""How the engine works, and who is told. Knows nothing about either of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from roundhouse.core.errors import RoundhouseError
from roundhouse.transfers.retry import Patience


class Watcher(Protocol):
    """Who is told how a file is coming along."""

    def advanced(self, received: int, journaled: int) -> None:
        """Bytes of the file that are here, and how many of them are safe."""

    def waiting(self, error: RoundhouseError, delay_s: float) -> None:
        """The source failed; it is tried again after *delay_s*."""


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How the engine works."""

    #: Bytes between two lines of the journal: what a kill may cost each connection.
    chunk_bytes: int = 16 << 20
    #: Bytes handed to the disk at once, at most.
    block_bytes: int = 1 << 20
    #: Seconds of silence after which a connection is given up.
    stall_s: float = 30.0
    patience: Patience = field(default_factory=Patience)
    #: Connections that bring one file, at most; each is worth its while from so many bytes on.
    connections: int = 8
    least_range_bytes: int = 16 << 20
    #: Connections of all files together; beyond them every file has only one.
    all_connections: int = 32
