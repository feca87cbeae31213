"""What a model takes of this machine: field names are the keys of the JSON under ``/api/v1``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """What a model takes when the embedded llama.cpp loads it, in bytes, and what it gets for that."""

    total: int
    weights: int
    #: What its slots remember: so many requests at a time, with so many tokens each.
    cache: int
    parallel: int
    context: int
    #: Room to calculate in, prompts that are over, the program.
    buffers: int
    #: What all models may take together.
    limit: int
    #: The model's header told how it is built; otherwise this is guessed from its size.
    from_header: bool
