"""Embeddings that were computed before, the ones used last, for a while. Knows nothing about who computes them.

A tenant is a hard partition: that a text was embedded for somebody is told to nobody else.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b

from roundhouse.core.clock import Clock

#: What an entry costs beside its bytes: the key, the node and the objects.
_OVERHEAD = 320


@dataclass(frozen=True, slots=True)
class Vector:
    """One embedding: its numbers as the backend wrote them (a JSON list), and the tokens that it was made of."""

    numbers: bytes
    tokens: int


class EmbeddingCache:
    """The least recently used go when there is no room, and each after its time."""

    def __init__(self, clock: Clock, *, max_bytes: int = 64 << 20, ttl_s: float = 3600.0) -> None:
        self._clock = clock
        self._max_bytes, self._ttl_s = max_bytes, ttl_s
        self._entries: OrderedDict[bytes, tuple[float, Vector]] = OrderedDict()
        self.size = 0
        self.hits = self.misses = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, tenant: str, model: str, text: str, dimensions: int | None = None) -> Vector | None:
        """What *tenant* knows of *text* at this model; the model's name must change when its weights do."""
        key = _key(tenant, model, text, dimensions)
        found = self._entries.get(key)
        if found is None or self._clock.monotonic() >= found[0]:
            self.misses += 1
            self._forget(key)
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return found[1]

    def put(self, tenant: str, model: str, text: str, vector: Vector, dimensions: int | None = None) -> None:
        """Keep it, and let go of others until all fit; one that is larger than everything is not kept."""
        key, cost = _key(tenant, model, text, dimensions), len(vector.numbers) + _OVERHEAD
        self._forget(key)
        if cost > self._max_bytes or self._ttl_s <= 0:
            return
        self._entries[key] = (self._clock.monotonic() + self._ttl_s, vector)
        self.size += cost
        while self.size > self._max_bytes:
            _, (_, oldest) = self._entries.popitem(last=False)
            self.size -= len(oldest.numbers) + _OVERHEAD

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.size = 0

    def _forget(self, key: bytes) -> None:
        gone = self._entries.pop(key, None)
        if gone is not None:
            self.size -= len(gone[1].numbers) + _OVERHEAD


def _key(tenant: str, model: str, text: str, dimensions: int | None) -> bytes:
    """A digest, so that a long text is not kept for its name; the parts cannot run into each other."""
    named = f"{len(tenant)}:{tenant}:{len(model)}:{model}:{dimensions}:".encode("utf-8", "surrogatepass")
    return blake2b(named + text.encode("utf-8", "surrogatepass"), digest_size=20).digest()
