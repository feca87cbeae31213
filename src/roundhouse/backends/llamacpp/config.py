"""What is said between a llama.cpp child and its parent. Knows nothing about either."""

from __future__ import annotations

import msgspec


class Adapter(msgspec.Struct, frozen=True):
    """A LoRA adapter, and how much of it counts."""

    path: str
    scale: float = 1.0


class Extras(msgspec.Struct, frozen=True):
    """Files that a model is loaded with, beside its own weights."""

    #: What turns pictures into what the model reads.
    projector: str | None = None
    adapters: tuple[Adapter, ...] = ()
    #: The weights of a small model that writes ahead; the large one keeps what it would have said itself.
    draft: str | None = None

    @property
    def paths(self) -> list[str]:
        """All of them."""
        single = [path for path in (self.projector, self.draft) if path is not None]
        return [*single, *(adapter.path for adapter in self.adapters)]


#: Its own weights do.
NOTHING = Extras()


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
    #: It puts documents in order and does nothing else.
    ranks: bool = False
    #: 0 leaves it to llama.cpp, which takes all physical cores.
    threads: int = 0
    extras: Extras = NOTHING


class Greeting(msgspec.Struct, frozen=True):
    """What the child answers, on one line of its standard output: where it serves, or why it cannot."""

    address: str | None = None
    error: str | None = None
