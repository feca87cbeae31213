"""What is said between a llama.cpp child and its parent. Knows nothing about either."""

from __future__ import annotations

import msgspec

from roundhouse.backends.llamacpp.gpu import Load

#: Tokens that the child works on at a time.
BATCH = 512


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
    #: For prompts that are over, so that the next one which begins alike need not be read again.
    prompt_cache_mib: int = 256
    #: How the slots keep what was said: ``f16``, ``q8_0`` or ``q4_0``.
    cache_type: str = "f16"
    #: What putting it on graphics cards takes; ``None`` leaves that to llama.cpp.
    gpu: Load | None = None


class Greeting(msgspec.Struct, frozen=True):
    """What the child answers, on one line of its standard output: where it serves, or why it cannot."""

    address: str | None = None
    error: str | None = None
    #: Layers that lie on graphics cards.
    gpu_layers: int = 0
