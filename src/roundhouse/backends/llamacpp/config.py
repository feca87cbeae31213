"""What is said between a llama.cpp child and its parent. Knows nothing about either."""

from __future__ import annotations

import msgspec

from roundhouse.backends.children.greeting import Greeting

__all__ = ["ChildConfig", "Greeting"]


class ChildConfig(msgspec.Struct, frozen=True):
    """What the child is told, on one line of its standard input."""

    path: str
    model: str
    #: Tokens of one request, prompt and answer; there are *parallel* such slots.
    context: int
    parallel: int
    api_key: str
    #: The process that it must not outlive.
    parent: int
    #: False when the file itself says how to pool embeddings.
    mean_pooling: bool = True
    #: 0 leaves it to llama.cpp, which takes all physical cores.
    threads: int = 0
