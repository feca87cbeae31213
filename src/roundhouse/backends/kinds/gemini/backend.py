"""A backend that is Google's Gemini, asked over its own API. Knows nothing about other backends, nor when to try one.

Its own API and not the OpenAI dialect that it has as well: only there does it tell what a model can do and how long it
is to be left alone, and only there do schemas, safety settings and cached contents have their words.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from urllib.parse import quote

from roundhouse.backends.checks import check
from roundhouse.backends.kinds.gemini.asking import asked
from roundhouse.backends.kinds.gemini.calls import ADDRESS, Calls, resource
from roundhouse.backends.kinds.gemini.frame import Frame
from roundhouse.backends.kinds.gemini.models import Known, Listed, Page, deployments_of, known
from roundhouse.backends.kinds.gemini.saying import Telling, whole_answer
from roundhouse.backends.kinds.gemini.vectors import asked_texts, embedding_answer, read_vectors
from roundhouse.backends.openai.connection import Terms
from roundhouse.core.clock import Clock
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Answer, Chunk, Deployment, InferenceRequest, Operation
from roundhouse.core.ports import BackendHealth
from roundhouse.core.runtimes import Feature, Wish, Workshop

#: Where Google's own programs look for the key.
_KEY_VARIABLES = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
#: As many as a page may have, and more pages than anybody has.
_PAGE, _MOST_PAGES = 1000, 20


class Gemini:
    """Google's API, or another that speaks it."""

    features: frozenset[Feature] = frozenset()

    @classmethod
    def made(cls, wish: Wish, workshop: Workshop) -> Gemini:
        """Make one as it was configured. Raises ConfigError."""
        usual = [key for name in _KEY_VARIABLES if (key := workshop.environ.get(name, "").strip())]
        terms = Terms(connect_s=wish.connect_s, idle_s=wish.idle_s)
        calls = Calls(wish.name, wish.url or ADDRESS, wish.keys or usual[:1], terms)
        return cls(calls, workshop.clock, models=wish.models)

    def __init__(self, calls: Calls, clock: Clock, *, models: Sequence[str] = ()) -> None:
        self.name, self.url = calls.name, calls.url
        self._calls, self._clock = calls, clock
        self._wanted = tuple(models)
        self._known: dict[str, Known] = {}

    async def deployments(self) -> Sequence[Deployment]:
        """What it lists; when models are configured, those, with what the list says about them. Raises NetworkError."""
        try:
            listed = await self._listed()
        except RoundhouseError:
            if not self._wanted:
                raise
            # Somebody named its models: they are known, and whether they answer is for the breaker to find out.
            listed = []
        self._known = {each.model: known(each.model, thinks=each.thinking or False) for each in listed}
        return deployments_of(listed, self.name, self._wanted, local=self._calls.local)

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """The whole answer. Raises what the port says."""
        upstream = deployment.upstream
        try:
            if request.profile.operation is Operation.EMBEDDING:
                return await self._embed(request, upstream)
            body, frame = self._asked(request, upstream)
            data = await self._calls.send(self._calls.place(upstream).whole, body, request.timeout_s)
            return whole_answer(data, frame)
        except RoundhouseError as error:
            raise self._calls.named(error) from error.__cause__

    async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncGenerator[Chunk, None]:
        """The answer piece by piece. Raises what the port says, on iteration."""
        try:
            body, frame = self._asked(request, deployment.upstream)
            telling, url = Telling(frame), self._calls.place(deployment.upstream).stream
            async with aclosing(self._calls.pieces(url, body, request.timeout_s, lambda: telling.done)) as pieces:
                async for data in pieces:
                    for chunk in telling.feed(data):
                        yield chunk
            for chunk in telling.finish():
                yield chunk
        except RoundhouseError as error:
            raise self._calls.named(error) from error.__cause__

    async def health(self) -> BackendHealth:
        """Whether it lists a model, which costs nothing."""
        return await check(self._how_it_is, lambda: self._calls.warning)

    async def _how_it_is(self) -> str:
        await self._calls.get("/models?pageSize=1", Page)
        return "Gemini answers"

    async def close(self) -> None:
        """Let go of all connections."""
        await self._calls.close()

    def _asked(self, request: InferenceRequest, upstream: str) -> tuple[bytes, Frame]:
        """The request in Google's words, and what will stand around the answer. Raises SchemaError."""
        heeded = self._known.get(upstream) or known(upstream)
        operation = request.profile.operation
        body, count = asked(operation, request.body, heeded.thinker, heeded.hearer)
        return body, Frame(request.id, upstream, int(self._clock.now().timestamp()), operation, count)

    async def _embed(self, request: InferenceRequest, upstream: str) -> Answer:
        wanted = asked_texts(request.body)
        path, batches = self._calls.place(upstream).embed, []
        for count, body in wanted.bodies(resource(upstream)):
            data = await self._calls.send(path, body, request.timeout_s)
            batches.append(read_vectors(data, count, wanted.dimensions))
        return embedding_answer(batches, upstream, in_text=wanted.in_text)

    async def _listed(self) -> list[Listed]:
        """The whole list, page by page."""
        found: dict[str, Listed] = {}
        token = ""
        for _ in range(_MOST_PAGES):
            more = f"&pageToken={quote(token, safe='')}" if token else ""
            page = await self._calls.get(f"/models?pageSize={_PAGE}{more}", Page)
            found |= {each.name: each for each in page.models}
            token = page.next_page_token
            if not token:
                break
        return list(found.values())
