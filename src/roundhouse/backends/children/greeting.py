"""The first that a child says to its parent. Knows nothing about either."""

from __future__ import annotations

import msgspec


class Greeting(msgspec.Struct, frozen=True):
    """What the child answers, on one line of its standard output: where it serves, or why it cannot."""

    address: str | None = None
    error: str | None = None
    #: Layers that lie on graphics cards, where the child counts them.
    gpu_layers: int = 0
