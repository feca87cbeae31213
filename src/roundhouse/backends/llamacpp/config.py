"""What is said between a llama.cpp child and its parent. Knows nothing about either."""

from __future__ import annotations

import msgspec

from roundhouse.backends.children.greeting import Greeting
from roundhouse.backends.llamacpp.gpu import Load

__all__ = ["BATCH", "ChildConfig", "Greeting"]

#: Tokens that the child works on at a time, unless they must be read in one piece.
BATCH = 512


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
    #: For prompts that are over, so that the next one which begins alike need not be read again.
    prompt_cache_mib: int = 256
    #: How the slots keep what was said: ``f16``, ``q8_0`` or ``q4_0``.
    cache_type: str = "f16"
    #: Tokens that it works on at a time.
    batch: int = BATCH
    #: What putting it on graphics cards takes; ``None`` leaves that to llama.cpp.
    gpu: Load | None = None
    extras: Extras = NOTHING
