"""A backend that is an Ollama, asked over its own API. Knows nothing about other backends, nor when to try one.

Its own API and not the one of OpenAI that it has as well: only there can the size of the context and the time in
memory be said, and only there does it tell what it loaded, what it cut and how long that took.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec

from roundhouse.backends.checks import check
from roundhouse.backends.kinds.ollama.asking import Asked, asked
from roundhouse.backends.kinds.ollama.calls import Calls
from roundhouse.backends.kinds.ollama.config import Policy, policy_of
from roundhouse.backends.kinds.ollama.embedding import Asker, Embedder, Subject
from roundhouse.backends.kinds.ollama.models import Models
from roundhouse.backends.kinds.ollama.preloading import Preloading
from roundhouse.backends.kinds.ollama.saying import Frame, Telling, whole_answer
from roundhouse.backends.kinds.ollama.store import Store
from roundhouse.backends.kinds.ollama.vectors import asked_texts, embedding_answer, estimate, read_vectors
from roundhouse.backends.openai.connection import Terms
from roundhouse.backends.wire import dimensions
from roundhouse.backends.wire.embedding_cache import EmbeddingCache, Vector
from roundhouse.core.clock import Clock
from roundhouse.core.errors import ConfigError, RoundhouseError, SchemaError
from roundhouse.core.events import Events, ResidencyChanged
from roundhouse.core.inference import Answer, Chunk, Deployment, InferenceRequest, Operation
from roundhouse.core.ports import BackendHealth
from roundhouse.core.runtimes import Feature, PullStep, Wish, Workshop


class _Version(msgspec.Struct):
    version: str


class Ollama:
    """One Ollama."""

    features = frozenset({Feature.LOAD, Feature.UNLOAD, Feature.PULL, Feature.DELETE, Feature.COPY, Feature.RELOAD})

    @classmethod
    def made(cls, wish: Wish, workshop: Workshop) -> Ollama:
        """Make one as it was configured. Raises ConfigError."""
        if wish.url is None:
            message = f"backends.{wish.name} needs a url"
            raise ConfigError(message, hint='that of an Ollama on this machine is "http://127.0.0.1:11434"')
        terms = Terms(connect_s=wish.connect_s, idle_s=wish.idle_s)
        calls = Calls(wish.name, wish.url, wish.keys[0] if wish.keys else None, terms)
        policy = policy_of(wish.name, wish.options, offline=workshop.offline, keeps=workshop.keeps)
        return cls(calls, workshop.clock, policy=policy, models=wish.models, events=workshop.events)

    def __init__(
        self,
        calls: Calls,
        clock: Clock,
        *,
        policy: Policy | None = None,
        models: Sequence[str] = (),
        events: Events | None = None,
    ) -> None:
        self.name, self.url = calls.name, calls.url
        self._calls, self._clock = calls, clock
        self._policy = policy or Policy()
        self._wanted = tuple(models)
        self._models = Models(calls, self._policy, models)
        self._store = Store(calls, self._models, self._policy, clock)
        self._events = events or Events()
        self._preloading = Preloading(self._policy.preload, self._store.load, self._tell_loaded)
        cache = EmbeddingCache(clock, max_bytes=self._policy.embedding_cache, ttl_s=self._policy.embedding_ttl_s)
        self._embedder = Embedder(self._vectors, cache, wait_s=self._policy.embedding_wait_s)

    @classmethod
    def at(
        cls, name: str, url: str, clock: Clock, *, policy: Policy | None = None, terms: Terms | None = None
    ) -> Ollama:
        """One at an address, with everything else as it is by default."""
        return cls(Calls(name, url, terms=terms), clock, policy=policy)

    async def deployments(self) -> Sequence[Deployment]:
        """What it has; when models are configured, those, with what it says about them. Raises NetworkError."""
        try:
            listed = await self._models.deployments()
        except RoundhouseError:
            if not self._wanted:
                raise
            # Somebody named its models: they are known, and whether they answer is for the breaker to find out.
            return self._models.unasked()
        self._preloading.look(listed, self._calls.losses)
        return listed

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """The whole answer. Raises what the port says."""
        if request.profile.operation is Operation.EMBEDDING:
            return await self._embed(request, deployment.upstream)
        upstream = deployment.upstream
        try:
            wanted, window = self._wanted_of(request, upstream)
            with self._models.using(upstream):
                while True:
                    body = wanted.body(upstream, window, self._policy.keep_alive, stream=False)
                    try:
                        data = await self._calls.whole(wanted.path, body, request.timeout_s)
                        break
                    except SchemaError as error:
                        window = self._models.larger(upstream, window, error)
            answer, line = whole_answer(data, self._frame(request, upstream))
        except RoundhouseError as error:
            raise self._calls.named(error) from error.__cause__
        self._models.loaded_in(upstream, line.load_s)
        return answer

    async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncGenerator[Chunk, None]:
        """The answer piece by piece. Raises what the port says, on iteration."""
        upstream = deployment.upstream
        try:
            wanted, window = self._wanted_of(request, upstream)
            with self._models.using(upstream):
                while True:
                    body = wanted.body(upstream, window, self._policy.keep_alive, stream=True)
                    telling = Telling(self._frame(request, upstream))
                    try:
                        async with aclosing(self._told(wanted.path, body, request.timeout_s, telling)) as chunks:
                            async for chunk in chunks:
                                yield chunk
                        break
                    except SchemaError as error:
                        # Such a refusal comes instead of an answer, never inside one.
                        window = self._models.larger(upstream, window, error)
        except RoundhouseError as error:
            raise self._calls.named(error) from error.__cause__
        if telling.last is not None:
            self._models.loaded_in(upstream, telling.last.load_s)

    def reloads(self, request: InferenceRequest, deployment: Deployment) -> bool:
        """Whether Ollama loads the model anew for *request*, with another context."""
        # A batch of texts needs what its longest one does, and a profile counts all of them.
        embeds = request.profile.operation is Operation.EMBEDDING
        return not embeds and self._models.reloads(deployment.upstream, request.profile)

    async def health(self) -> BackendHealth:
        """Whether it tells its version, which costs nothing."""
        return await check(self._how_it_is)

    async def _how_it_is(self) -> str:
        found = await self._calls.get("/api/version", _Version)
        self._preloading.seen(found.version)
        return f"Ollama {found.version}"

    async def load(self, upstream: str, *, context: int | None = None, keep_s: float | None = None) -> float:
        """Bring it into memory once, however many ask; seconds it took. Raises NotFoundError, CapacityError."""
        return await self._store.load(upstream, context=context, keep_s=keep_s)

    async def unload(self, upstream: str) -> None:
        """Let go of it; no error when it is not in memory. Raises NotFoundError, ConflictError, BackendError."""
        await self._store.unload(upstream)

    def pull(self, upstream: str) -> AsyncGenerator[PullStep, None]:
        """Fetch a model; raises on iteration. Raises NotFoundError, BackendError."""
        return self._store.pull(upstream)

    async def delete(self, upstream: str) -> None:
        """Delete a model. Raises NotFoundError."""
        await self._store.delete(upstream)

    async def copy(self, upstream: str, name: str) -> None:
        """Give a model a second name. Raises NotFoundError, ConflictError."""
        await self._store.copy(upstream, name)

    async def close(self) -> None:
        """Let go of all connections; what it has in memory stays, for it is not ours."""
        await self._preloading.close()
        await self._calls.close()

    def _tell_loaded(self, deployment: Deployment) -> None:
        self._events.publish(ResidencyChanged(self.name, deployment.model, loaded=True))

    def _wanted_of(self, request: InferenceRequest, upstream: str) -> tuple[Asked, int | None]:
        """The request in Ollama's words, and the context for it. Raises SchemaError."""
        wanted = asked(request.profile.operation, request.body, self._models.thinker(upstream))
        return wanted, self._models.window(upstream, wanted, request.profile.prompt_tokens)

    def _frame(self, request: InferenceRequest, upstream: str) -> Frame:
        return Frame(request.id, upstream, int(self._clock.now().timestamp()), request.profile.operation)

    async def _told(self, path: str, body: bytes, timeout_s: float, telling: Telling) -> AsyncGenerator[Chunk, None]:
        """One try of a streamed answer."""
        async with aclosing(self._calls.stream(path, body, timeout_s, lambda: telling.done)) as pieces:
            async for data in pieces:
                for chunk in telling.feed(data):
                    yield chunk
        for chunk in telling.finish():
            yield chunk

    async def _embed(self, request: InferenceRequest, upstream: str) -> Answer:
        try:
            wanted = asked_texts(request.body)
            subject = Subject(upstream, self._models.of(upstream).tag.digest, wanted.dimensions)
            asker = Asker(request.principal, request.cache)
            vectors, cached = await self._embedder.vectors(subject, wanted.texts, request.timeout_s, asker)
            answer = embedding_answer(vectors, upstream, cached, in_text=wanted.in_text)
            if wanted.dimensions is not None:
                dimensions.check(answer.data, wanted.dimensions)
        except RoundhouseError as error:
            raise self._calls.named(error) from error.__cause__
        return answer

    async def _vectors(self, subject: Subject, texts: Sequence[str], timeout_s: float) -> list[Vector]:
        """The vectors of *texts* in one call. Raises RoundhouseError."""
        upstream = subject.upstream
        body: dict[str, object] = {"input": texts, "truncate": False}
        body |= {} if subject.dimensions is None else {"dimensions": subject.dimensions}
        wanted = Asked("/api/embed", body, {}, None)
        window = self._models.window_of(upstream, max(map(estimate, texts)))
        with self._models.using(upstream):
            while True:
                sent = wanted.body(upstream, window, self._policy.keep_alive, stream=False)
                try:
                    data = await self._calls.whole(wanted.path, sent, timeout_s)
                    break
                except SchemaError as error:
                    window = self._models.larger(upstream, window, error)
        vectors, load_s = read_vectors(data, texts)
        self._models.loaded_in(upstream, load_s)
        return vectors
