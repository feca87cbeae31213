"""Serving that gives an answer twice: from the cache, or while it is on its way. Knows nothing about HTTP.

    what is asked -> who would serve it -> kept answer? -> on its way already? -> one call upstream, kept if whole

Tenants never meet: their names are part of what is looked up, in the cache and among those on their way.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from roundhouse.core.clock import Clock
from roundhouse.core.errors import RoundhouseError, TooLargeError
from roundhouse.core.inference import Answer, CacheUse, Chunk, InferenceRequest, Operation
from roundhouse.core.ledger import UsageRecord
from roundhouse.core.ports import Cache
from roundhouse.routing.route import Candidate, Route
from roundhouse.serving.admission.rules import Waiting
from roundhouse.serving.attempts import Served
from roundhouse.serving.caching import kept
from roundhouse.serving.caching.embeddings import EmbeddingCache, Kept, all_known, batch_of, fill
from roundhouse.serving.caching.flights import Flight, Flights, may_begin_again
from roundhouse.serving.caching.keys import Question, key_of, may_be_deterministic, question_of
from roundhouse.serving.caching.records import record_of, served_by
from roundhouse.serving.caching.streams import Replay, Shared
from roundhouse.serving.serve import Serving

#: A stream that several may read stands in memory; no answer of a model is as long as this.
_LONGEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Terms:
    """How long answers are kept."""

    ttl_s: float = 3600.0
    embeddings_ttl_s: float = 86_400.0


@dataclass(frozen=True, slots=True)
class _Case:
    """A request whose answer may be kept."""

    request: InferenceRequest
    question: Question
    route: Route
    started: float

    @property
    def flight_key(self) -> str:
        """Who asks what of whom, and in which form."""
        request = self.request
        own = request.id if request.cache is CacheUse.REFRESH else ""
        key = key_of(self.question.digest, self.route.candidates[0].deployment)
        return f"{request.stream:d}{own}:{key}:{request.principal}"


#: The same question is always answered the same.
_NEVER_SAMPLED = frozenset({Operation.EMBEDDING, Operation.RERANK})
_Work = Callable[[_Case, Flight], Awaitable[None]]


class Caching:
    """The room `Serving`, with a memory."""

    def __init__(
        self, serving: Serving, cache: Cache, meter: Callable[[UsageRecord], None], clock: Clock, terms: Terms
    ) -> None:
        self._serving = serving
        self._cache = cache
        self._meter = meter
        self._clock = clock
        self._terms = terms
        self._embeddings = EmbeddingCache(cache)
        self._flights = Flights()
        #: For whom each request waits, of those that wait.
        self._leaders: dict[str, str] = {}

    async def answer(self, request: InferenceRequest) -> tuple[Served, Answer]:
        """The whole answer, and who gave it. Raises what `Serving.answer` raises."""
        case = self._case(request)
        if case is None:
            return await self._serving.answer(request)
        if request.profile.operation is Operation.EMBEDDING:
            return await self._embedding(case)
        if request.cache is not CacheUse.REFRESH and (hit := await self._known(case)) is not None:
            candidate, found = hit
            return self._hit(case, candidate), found
        return await self._answer(case, self._ask)

    async def stream(self, request: InferenceRequest) -> tuple[Served, AsyncGenerator[Chunk, None]]:
        """The answer piece by piece, as `Serving.stream` gives it; iterate or ``aclose`` it, always."""
        case = self._case(request)
        if case is None:
            return await self._serving.stream(request)
        if request.cache is not CacheUse.REFRESH and (found := await self._known_pieces(case)) is not None:
            candidate, pieces = found
            return self._hit(case, candidate), Replay(pieces, wants_usage=request.wants_usage)
        flight, leads = await self._fly(case, self._pour, _is_open)
        served = flight.served
        if served is None:
            raise RuntimeError(_NOTHING)
        if leads:
            return served, Shared(flight, request)

        def over(error: BaseException | None) -> None:
            self._meter(record_of(request, served.deployment, case.started, self._clock, cache="shared", error=error))

        lasted_s = self._clock.monotonic() - case.started
        return served_by(request, served.deployment, lasted_s, "shared"), Shared(flight, request, over)

    def waiting(self, request_id: str) -> Waiting | None:
        """What the client of a request is told while it waits: that of the request which is served for it."""
        return self._serving.waiting(self._leaders.get(request_id, request_id))

    async def close(self) -> None:
        """Stop what is on its way."""
        await self._flights.close()
        await self._cache.close()

    def _case(self, request: InferenceRequest) -> _Case | None:
        """What is to be looked up; ``None`` when *request* is served as if there were no cache."""
        if request.cache is CacheUse.OFF:
            return None
        always = request.profile.operation in _NEVER_SAMPLED or request.cache is not CacheUse.AUTO
        if not (always or may_be_deterministic(request.body)):
            return None  # most requests: their bodies are not looked at any closer
        started = self._clock.monotonic()
        question = question_of(request)
        if question is None or not (always or question.deterministic):
            return None
        try:
            return _Case(request, question, self._serving.chosen(request.profile), started)
        except RoundhouseError:
            return None  # `Serving` finds the same, and writes the record

    async def _answer(self, case: _Case, work: _Work) -> tuple[Served, Answer]:
        flight, leads = await self._fly(case, work, _is_whole)
        served, answer = flight.served, flight.answer
        if served is None or answer is None:
            raise RuntimeError(_NOTHING)
        return (served if leads else self._share(case, served)), answer

    async def _embedding(self, case: _Case) -> tuple[Served, Answer]:
        """Every input for itself: only those go upstream that nobody has asked about."""
        request, best, batch = case.request, case.route.candidates[0], batch_of(case.question)
        if batch is None:
            return await self._serving.answer(request)
        known: list[Kept | None] = [None] * len(batch.inputs)
        if request.cache is not CacheUse.REFRESH:
            known = await self._embeddings.known(request.principal, batch, best.deployment)
        if (answer := all_known(known)) is not None:
            return self._hit(case, best), answer

        async def work(_case: _Case, flight: Flight) -> None:
            filled = await fill(request, batch, known, best.deployment, self._serving.answer)
            flight.served, flight.answer = replace(filled.served, cache="miss"), filled.answer
            flight.ended()
            await self._cache.put(request.principal, filled.entries, self._terms.embeddings_ttl_s)

        return await self._answer(case, work)

    async def _known(self, case: _Case) -> tuple[Candidate, Answer] | None:
        """A kept answer of somebody who might serve now."""
        for candidate, key, found in await self._look_up(case):
            answer = kept.whole(key, found, case.request.profile.operation)
            if answer is not None:
                return candidate, answer
        return None

    async def _known_pieces(self, case: _Case) -> tuple[Candidate, list[Chunk]] | None:
        for candidate, key, found in await self._look_up(case):
            pieces = kept.pieces(key, found, case.request.profile.operation)
            if pieces is not None:
                return candidate, pieces
        return None

    async def _look_up(self, case: _Case) -> list[tuple[Candidate, str, bytes]]:
        candidates = case.route.candidates
        keys = [key_of(case.question.digest, candidate.deployment) for candidate in candidates]
        found = await self._cache.get(case.request.principal, keys)
        return [each for each in zip(candidates, keys, found, strict=True) if each[2] is not None]  # type: ignore[misc]

    async def _fly(
        self,
        case: _Case,
        work: _Work,
        ready: Callable[[Flight], bool],
    ) -> tuple[Flight, bool]:
        """Join the answer that is on its way, or begin it; whether this request began it. Raises what it failed with.

        Whoever gets a flight has joined it, and a whole answer's reader has left it again.
        """
        key, again, asker = case.flight_key, False, case.request.id
        while True:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights.begin(key, Flight(asker, is_second=again), lambda begun: work(case, begun))
            flight.join()
            self._leaders[asker] = flight.leader
            try:
                await flight.wait(ready)
            except BaseException as error:
                await flight.leave()
                if leads or not may_begin_again(flight, error):
                    self._lost(case, error, leads=leads)
                    raise
                again = True
            else:
                if ready is _is_whole:
                    await flight.leave()
                return flight, leads
            finally:
                self._leaders.pop(asker, None)

    def _lost(self, case: _Case, error: BaseException, *, leads: bool) -> None:
        """The leader's record is written where it was served; the others have none yet."""
        if not leads:
            self._meter(record_of(case.request, None, case.started, self._clock, cache="shared", error=error))

    async def _ask(self, case: _Case, flight: Flight) -> None:
        """One call upstream for a whole answer."""
        served, answer = await self._serving.answer(case.request)
        flight.served, flight.answer = replace(served, cache="miss"), answer
        flight.ended()
        await self._keep(case, served, answer)

    async def _pour(self, case: _Case, flight: Flight) -> None:
        """One call upstream for a stream; everybody reads it from memory."""
        # The usage belongs to what is kept; who did not ask for it does not get to see it.
        served, chunks = await self._serving.stream(replace(case.request, wants_usage=True))
        flight.served, size = replace(served, cache="miss"), 0
        flight.told()
        async with aclosing(chunks):
            async for chunk in chunks:
                flight.pieces.append(chunk)
                size += len(chunk.data)
                if size > _LONGEST:
                    message = "the answer has no end"
                    raise TooLargeError(message)
                flight.told()
        flight.ended()
        await self._keep(case, served, flight.pieces)

    async def _keep(self, case: _Case, served: Served, answer: Answer | list[Chunk]) -> None:
        request = case.request
        key = key_of(case.question.digest, served.deployment)
        value = kept.keep(key, answer, request.profile.operation)
        if value is not None:
            await self._cache.put(request.principal, {key: value}, self._terms.ttl_s)

    def _hit(self, case: _Case, candidate: Candidate) -> Served:
        request, deployment = case.request, candidate.deployment
        self._serving.taken.add(request.id, request.profile, case.route)
        self._meter(record := record_of(request, deployment, case.started, self._clock, cache="hit"))
        return served_by(request, deployment, record.latency_ms / 1e3, "hit")

    def _share(self, case: _Case, served: Served) -> Served:
        self._meter(record := record_of(case.request, served.deployment, case.started, self._clock, cache="shared"))
        return served_by(case.request, served.deployment, record.overhead_ms / 1e3, "shared")


_NOTHING = "a flight is over, and nothing came of it"


def _is_whole(flight: Flight) -> bool:
    return flight.answer is not None


def _is_open(flight: Flight) -> bool:
    return flight.served is not None
