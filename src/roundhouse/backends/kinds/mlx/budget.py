"""What one model gets of the memory that MLX may have: pure arithmetic on bytes. Knows nothing about files.

A model takes its weights, its runtime, and the key-value cache of the tokens in work; what was computed for earlier
prompts is kept beside that. mlx_lm.server counts both as one cache and trims it now and then, but never refuses:
what it may be asked for has to fit beforehand, or the system panics.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from roundhouse.core.errors import CapacityError

_GIB, _MIB = 1 << 30, 1 << 20
#: The interpreter, the buffers of one step, what the allocator holds back.
RUNTIME = 512 * _MIB
#: Fewer tokens than this are no use to anybody.
LEAST_CONTEXT = 2048
#: Where the model does not say its shape: so many tokens of cache weigh as much as the weights.
_TOKENS_PER_WEIGHTS = 32_768
#: How many prompts mlx_lm.server keeps at most, whatever their size.
_MOST_PROMPTS = 10


@dataclass(frozen=True, slots=True)
class Weights:
    """One model, or a model and its draft, as far as memory is concerned."""

    #: Bytes of all tensors.
    size: int
    #: Bytes of cache for each token; 0 is not known.
    per_token: int = 0

    @property
    def cache_per_token(self) -> int:
        """Bytes of cache for each token, on the large side when the shape is not known."""
        return self.per_token or max(1, self.size // _TOKENS_PER_WEIGHTS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asked for; 0 leaves it to the arithmetic."""

    #: Tokens of one request.
    context: int = 0
    #: Tokens that one gets when nobody asked.
    usual_context: int = 8192
    #: Requests at a time.
    slots: int = 0
    usual_slots: int = 4
    #: Bytes that the caches may take at most, in work and kept together.
    cache: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """What one model gets; bytes where nothing else is said."""

    weights: int
    #: Tokens of one request, and requests at a time.
    context: int
    slots: int
    #: The caches in work and those that are kept, together.
    cache: int
    #: How many prompts are kept at most.
    prompts: int
    #: What the GPU may wire for it; ``None`` where there is no such limit.
    wired: int | None = None

    @property
    def total(self) -> int:
        """All that it may take."""
        return self.weights + RUNTIME + self.cache


def share_of(name: str, weights: Weights, budget: int, wanted: Wanted, working_set: int | None = None) -> Share:
    """What the model *name* gets of *budget*: fewer slots first, then less context, when not all of it fits.

    Raises:
        CapacityError: not even one small request fits beside its weights, or not what somebody asked for.

    """
    left = budget - weights.size - RUNTIME
    room = max(0, min(left, wanted.cache or left))
    each = weights.cache_per_token
    fitting = room // (each * (wanted.slots or 1)) // LEAST_CONTEXT * LEAST_CONTEXT
    context = wanted.context or min(wanted.usual_context, max(LEAST_CONTEXT, fitting))
    slots = wanted.slots or max(1, min(wanted.usual_slots, room // (context * each)))
    in_work = context * slots * each
    if in_work > room:
        raise _refusal(name, weights, budget, in_work=in_work, what=f"{slots} x {context} tokens")
    cache = room if wanted.cache else min(room, 2 * in_work)
    prompts = max(1, min(_MOST_PROMPTS, cache // (context * each)))
    share = Share(weights.size, context, slots, cache, prompts)
    return share if working_set is None else replace(share, wired=min(working_set, share.total))


def _refusal(name: str, weights: Weights, budget: int, *, in_work: int, what: str) -> CapacityError:
    parts = f"{_gib(weights.size)} for its weights, {_gib(in_work)} for {what}, {_gib(RUNTIME)} to run"
    total = weights.size + in_work + RUNTIME
    return CapacityError(
        f"{name} needs {_gib(total)} ({parts}), and models of MLX may take {_gib(max(0, budget))}",
        hint="allow more with the options `memory` and `prompt_cache`, or ask for less with `context` and `parallel`",
        details={"needed": total, "weights": weights.size, "cache": in_work, "allowed": max(0, budget)},
    )


def _gib(size: int) -> str:
    return f"{size / _GIB:.2f} GiB"
