"""Embeddings of one Ollama: those of one moment go in one call, and those that were computed before in none.

Calls are shared by all tenants, for nobody sees who else is in one; what was computed before is known to its own alone.
Knows nothing about OpenAI's shapes. A call that fails for several is made again for each, so that one bad text costs
nobody else his answer; nothing runs in the background: whoever came first asks for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from roundhouse.backends.wire.embedding_cache import EmbeddingCache, Vector
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import CacheUse

#: Texts that go in one call at most.
MAX_TEXTS = 64


@dataclass(frozen=True, slots=True)
class Subject:
    """What must be the same for texts to be embedded together."""

    upstream: str
    #: Changes when the weights behind the name do.
    version: str
    dimensions: int | None = None

    @property
    def key(self) -> str:
        """Its name in the cache."""
        return f"{self.upstream}@{self.version}"


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom texts are embedded, and whether what was computed before will do."""

    tenant: str
    use: CacheUse = CacheUse.AUTO

    @property
    def takes(self) -> bool:
        """Whether it will."""
        return self.use not in (CacheUse.OFF, CacheUse.REFRESH)

    @property
    def keeps(self) -> bool:
        """Whether what is computed may be kept."""
        return self.use is not CacheUse.OFF


#: Embeds texts in one call. Raises RoundhouseError.
Embed = Callable[[Subject, Sequence[str], float], Awaitable[list[Vector]]]


@dataclass(slots=True)
class _Batch:
    """Texts that wait for the call that is about to be made."""

    texts: list[str] = field(default_factory=list)
    callers: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)
    #: ``None`` is that everybody has to ask for himself.
    vectors: asyncio.Future[list[Vector] | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Embedder:
    """Everything that one Ollama embeds."""

    def __init__(self, embed: Embed, cache: EmbeddingCache, *, wait_s: float) -> None:
        self._embed = embed
        self._cache = cache
        self._wait_s = wait_s
        self._waiting: dict[Subject, _Batch] = {}

    async def vectors(
        self, subject: Subject, texts: Sequence[str], timeout_s: float, asker: Asker
    ) -> tuple[list[Vector], int]:
        """The vectors of *texts*, and how many of their tokens *asker* knew before. Raises RoundhouseError."""
        known = {text: self._known(subject, text, asker) for text in dict.fromkeys(texts)}
        wanted = [text for text, vector in known.items() if vector is None]
        cached = sum(vector.tokens for vector in known.values() if vector is not None)
        if wanted:
            made = await self._made(subject, wanted, timeout_s)
            for text, vector in zip(wanted, made, strict=True):
                known[text] = vector
                if asker.keeps:
                    self._cache.put(asker.tenant, subject.key, text, vector, subject.dimensions)
        return [vector for vector in (known[text] for text in texts) if vector is not None], cached

    def _known(self, subject: Subject, text: str, asker: Asker) -> Vector | None:
        return self._cache.get(asker.tenant, subject.key, text, subject.dimensions) if asker.takes else None

    async def _made(self, subject: Subject, texts: list[str], timeout_s: float) -> list[Vector]:
        if len(texts) >= MAX_TEXTS or self._wait_s <= 0:
            return await self._embed(subject, texts, timeout_s)
        batch = self._waiting.get(subject)
        if batch is None or len(batch.texts) + len(texts) > MAX_TEXTS:
            batch = self._waiting[subject] = _Batch()
        first = len(batch.texts)
        batch.texts += texts
        batch.callers += 1
        if len(batch.texts) == MAX_TEXTS:
            batch.full.set()
        vectors = await (self._lead(subject, batch, timeout_s) if first == 0 else asyncio.shield(batch.vectors))
        if vectors is None:
            return await self._embed(subject, texts, timeout_s)
        return vectors[first : first + len(texts)]

    async def _lead(self, subject: Subject, batch: _Batch, timeout_s: float) -> list[Vector] | None:
        """Wait a moment for others, and ask for all of them."""
        vectors: list[Vector] | None = None
        try:
            try:
                async with asyncio.timeout(self._wait_s):
                    await batch.full.wait()
            except TimeoutError:
                pass  # nobody else came, which is the rule
            self._close(subject, batch)
            vectors = await self._embed(subject, batch.texts, timeout_s)
        except RoundhouseError:
            if batch.callers == 1:
                raise
        finally:
            # Also when the first caller went away: the others then ask for themselves.
            self._close(subject, batch)
            batch.vectors.set_result(vectors)
        return vectors

    def _close(self, subject: Subject, batch: _Batch) -> None:
        """Let nobody else join."""
        if self._waiting.get(subject) is batch:
            del self._waiting[subject]
