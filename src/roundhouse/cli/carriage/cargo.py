"""A body on its way to the server. Knows nothing about what it holds."""

from __future__ import annotations

import http.client
import select
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

#: Bytes that are handed over at once.
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Cargo:
    """A body that comes piece by piece."""

    kind: str
    chunks: Iterable[bytes]


def load(connection: http.client.HTTPConnection, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Give *chunks* until the server has answered: what it has refused need not be sent to its end."""
    for chunk in chunks:
        yield chunk
        if connection.sock is not None and select.select([connection.sock], [], [], 0)[0]:
            return
