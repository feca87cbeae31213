import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest
from tests.unit.serving.caching.conftest import Hall, asking

from roundhouse.core.errors import BackendError, NoRouteError, RoundhouseError, SchemaError
from roundhouse.core.inference import Answer, CacheUse, Chunk, Deployment, InferenceRequest, Operation
from roundhouse.core.runtimes import Traits
from roundhouse.storage.caches.valkey import ValkeyCache
from roundhouse.testing.backend import FakeBackend, a_deployment
from roundhouse.testing.clock import FakeClock

_RANDOM = {"messages": [{"role": "user", "content": "hello"}]}


async def _read(hall: Hall, request: InferenceRequest) -> list[Chunk]:
    _, chunks = await hall.caching.stream(request)
    async with aclosing(chunks):
        return [chunk async for chunk in chunks]


async def _until(hall: Hall, readers: int) -> None:
    """Let every task come to where it waits."""
    for _ in range(readers + 10):
        await asyncio.sleep(0)
    await asyncio.wait_for(hall.a.waiting.wait(), 5.0)


def _text(chunks: Sequence[Chunk]) -> str:
    events = [json.loads(chunk.data) for chunk in chunks]
    return "".join(choice["delta"].get("content", "") for event in events for choice in event["choices"])


async def test_the_second_answer_is_the_first_one(hall: Hall) -> None:
    """Byte for byte, for nothing, and without asking anybody."""
    first, answer = await hall.caching.answer(asking())
    second, again = await hall.caching.answer(asking(id="r-2"))
    assert (answer.data, 1) == (again.data, len(hall.a.calls))
    assert ("miss", "hit", 0.0, 0, "r-2") == (
        first.cache,
        second.cache,
        second.cost_usd,
        second.attempts,
        second.route_id,
    )
    assert [(None, None, "ok"), ("hit", 0.0, "ok")] == hall.told


async def test_what_is_sampled_is_not_kept_unless_asked(hall: Hall) -> None:
    """Two people who want a poem want two poems."""
    for number in range(2):
        served, _ = await hall.caching.answer(asking(_RANDOM, id=f"r-{number}"))
        assert served.cache is None
    assert 2 == len(hall.a.calls)


class _Ranker(FakeBackend):
    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """Put one document in order."""
        await super().answer(request, deployment)
        return Answer(b'{"results":[{"index":0,"relevance_score":0.5}]}')


async def test_an_order_of_documents_is_kept() -> None:
    """Nothing is sampled there; other documents are another question."""
    hall = Hall(a=_Ranker("a"))
    for documents in (["steam"], ["steam"], ["fog"]):
        body = {"query": "engine", "documents": documents}
        await hall.caching.answer(asking(body, operation=Operation.RERANK))
    assert (2, [None, "hit", None]) == (len(hall.a.calls), [record.cache for record in hall.records])


@pytest.mark.parametrize(
    ("uses", "calls"),
    [
        ([CacheUse.ON, CacheUse.ON], 1),
        ([CacheUse.OFF, CacheUse.ON], 2),
        ([CacheUse.ON, CacheUse.OFF], 2),
        ([CacheUse.ON, CacheUse.REFRESH], 2),
        ([CacheUse.ON, CacheUse.REFRESH, CacheUse.ON], 2),
        ([CacheUse.ON, CacheUse.AUTO], 2),
    ],
)
async def test_a_client_may_say_what_it_wants(hall: Hall, uses: list[CacheUse], calls: int) -> None:
    """``on``, ``off`` and ``refresh``, also for what is sampled."""
    for use in uses:
        await hall.caching.answer(asking(_RANDOM, cache=use))
    assert calls == len(hall.a.calls)


async def test_tenants_never_see_each_others_answers(hall: Hall) -> None:
    """Neither what is kept nor what is on its way."""
    await hall.caching.answer(asking(principal="me"))
    hall.a.hold()
    pending = [asyncio.ensure_future(hall.caching.answer(asking(principal=who))) for who in ("you", "they")]
    await _until(hall, 2)
    hall.a.let_go()
    assert ["miss", "miss"] == [served.cache for served, _ in await asyncio.gather(*pending)]
    assert 3 == len(hall.a.calls)


async def test_an_answer_is_forgotten_after_its_time(hall: Hall) -> None:
    """60 seconds, in this hall."""
    await hall.caching.answer(asking())
    hall.clock.advance(60.0)
    served, _ = await hall.caching.answer(asking())
    assert "miss" == served.cache


async def test_errors_are_not_kept(hall: Hall) -> None:
    """The next one asks anew."""
    hall.deployments = [a_deployment("a/tiny")]
    hall.a.fail(SchemaError("no"))
    with pytest.raises(SchemaError):
        await hall.caching.answer(asking())
    served, _ = await hall.caching.answer(asking())
    assert ("miss", 1) == (served.cache, hall.a.faults_fired)


async def test_a_stream_that_broke_is_not_kept(hall: Hall) -> None:
    """Half an answer is none."""
    hall.a.fail(BackendError("cut"), after_pieces=2)
    with pytest.raises(BackendError):
        await _read(hall, asking(stream=True))
    assert "one two three" == _text(await _read(hall, asking(stream=True)))
    assert 2 == len(hall.a.calls)


async def test_a_stream_is_given_as_a_stream_and_in_one(hall: Hall) -> None:
    """One call upstream for both."""
    first = await _read(hall, asking(stream=True))
    again = await _read(hall, asking(stream=True))
    _, whole = await hall.caching.answer(asking())
    assert first == again
    assert "one two three" == json.loads(whole.data)["choices"][0]["message"]["content"]
    assert 1 == len(hall.a.calls)


async def test_a_whole_answer_is_given_as_a_stream(hall: Hall) -> None:
    """With a finish reason, and the usage for those who ask."""
    await hall.caching.answer(asking())
    chunks = await _read(hall, asking(stream=True))
    with_usage = await _read(hall, asking(stream=True, wants_usage=True))
    assert ("one two three", True, 1) == (_text(chunks), chunks[-1].final, len(hall.a.calls))
    assert [*chunks, with_usage[-1]] == with_usage
    assert with_usage[-1].usage_only


async def test_the_usage_is_kept_also_when_nobody_asked_for_it(hall: Hall) -> None:
    """The next one may."""
    silent = await _read(hall, asking(stream=True))
    telling = await _read(hall, asking(stream=True, wants_usage=True))
    assert (False, True) == (any(chunk.usage_only for chunk in silent), telling[-1].usage_only)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_hundred_at_once_are_one_call(hall: Hall, *, stream: bool) -> None:
    """One pays, 99 share."""
    hall.a.hold()

    async def ask(number: int) -> str | None:
        request = asking(id=f"r-{number}", stream=stream)
        if not stream:
            return (await hall.caching.answer(request))[0].cache
        served, chunks = await hall.caching.stream(request)
        async with aclosing(chunks):
            assert "one two three" == _text([chunk async for chunk in chunks])
        return served.cache

    pending = [asyncio.ensure_future(ask(number)) for number in range(100)]
    await _until(hall, 100)
    hall.a.let_go()
    assert ["miss"] + 99 * ["shared"] == sorted(str(said) for said in await asyncio.gather(*pending))
    assert (1, 100) == (len(hall.a.calls), len(hall.records))


async def test_followers_outlive_a_leader_that_leaves(hall: Hall) -> None:
    """The work is nobody's."""
    hall.a.hold()
    leader = asyncio.ensure_future(hall.caching.answer(asking()))
    await _until(hall, 1)
    follower = asyncio.ensure_future(hall.caching.answer(asking(id="r-2")))
    await _until(hall, 2)
    leader.cancel()
    await asyncio.wait([leader])
    hall.a.let_go()
    served, _ = await follower
    assert (True, "shared", 1) == (leader.cancelled(), served.cache, len(hall.a.calls))


@pytest.mark.parametrize("stream", [False, True])
async def test_the_last_one_that_leaves_stops_the_work(hall: Hall, *, stream: bool) -> None:
    """Nothing runs on for nobody, and the record says why."""
    hall.a.hold()
    ask = hall.caching.stream if stream else hall.caching.answer
    pending = [asyncio.ensure_future(ask(asking(stream=stream))) for _ in range(3)]
    await _until(hall, 3)
    for each in pending:
        each.cancel()
    await asyncio.wait(pending)
    assert 0 == len(hall.caching._flights)
    assert 3 * ["client_closed"] == [record.outcome for record in hall.records]


class Lingering(FakeBackend):
    """Takes its time to stop, as whatever has something to close."""

    def __init__(self) -> None:
        super().__init__("a")
        self.stopping, self.may_stop = asyncio.Event(), asyncio.Event()

    async def _wait(self) -> None:
        try:
            await super()._wait()
        except asyncio.CancelledError:
            self.stopping.set()
            await self.may_stop.wait()
            raise


@pytest.mark.parametrize("stream", [False, True])
async def test_nobody_joins_what_is_being_stopped(*, stream: bool) -> None:
    """Whoever asks the same in that moment has done nothing wrong, and is answered."""
    hall = Hall(a=(backend := Lingering()))

    async def ask(name: str) -> object:
        request = asking(stream=stream, id=name)
        return await (_read(hall, request) if stream else hall.caching.answer(request))

    backend.hold()
    leader = asyncio.ensure_future(ask("r-1"))
    await _until(hall, 1)
    leader.cancel()
    await asyncio.wait_for(backend.stopping.wait(), 5.0)
    backend.let_go()
    second = asyncio.ensure_future(ask("r-2"))
    await _until(hall, 2)
    backend.may_stop.set()
    assert await second
    await asyncio.wait([leader])
    assert 2 == len(backend.calls)


async def test_one_follower_tries_what_the_leader_failed_with(hall: Hall) -> None:
    """The leader hears the error, the others get an answer: two calls in all."""
    hall.deployments = [a_deployment("a/tiny")]
    hall.a.fail(BackendError("boom"))
    hall.a.hold()
    pending = [asyncio.ensure_future(hall.caching.answer(asking(id=f"r-{number}"))) for number in range(10)]
    await _until(hall, 10)
    hall.a.let_go()
    results = await asyncio.gather(*pending, return_exceptions=True)
    assert 1 == sum(isinstance(result, BackendError) for result in results)
    assert (2, 1, 10) == (len(hall.a.calls), hall.a.faults_fired, len(hall.records))


async def test_nobody_tries_a_third_time(hall: Hall) -> None:
    """A dead backend is not asked once per client."""
    hall.deployments = [a_deployment("a/tiny")]
    hall.a.fail(BackendError("boom"), times=99)
    hall.a.hold()
    pending = [asyncio.ensure_future(hall.caching.answer(asking(id=f"r-{number}"))) for number in range(10)]
    await _until(hall, 10)
    hall.a.let_go()
    results = await asyncio.gather(*pending, return_exceptions=True)
    assert (10, 2) == (sum(isinstance(result, RoundhouseError) for result in results), len(hall.a.calls))


async def test_a_model_that_nobody_serves_is_refused_as_ever(hall: Hall) -> None:
    """With its record, and nothing in the cache."""
    hall.deployments = []
    with pytest.raises(NoRouteError):
        await hall.caching.answer(asking())
    assert 1 == len(hall.records)


async def test_new_weights_under_an_old_name_answer_anew(hall: Hall) -> None:
    """An answer is that of the weights that would serve now."""
    for digest in ("1" * 64, "2" * 64):
        hall.deployments = [replace(a_deployment("a/tiny"), traits=Traits(digest=digest))]
        served, _ = await hall.caching.answer(asking())
        assert "miss" == served.cache


async def test_the_same_weights_elsewhere_answer_the_same(hall: Hall) -> None:
    """What one node computed, another need not."""
    traits = Traits(digest="1" * 64)
    hall.deployments = [replace(a_deployment("a/tiny"), traits=traits)]
    await hall.caching.answer(asking())
    hall.deployments = [replace(a_deployment("b/tiny"), traits=traits)]
    served, _ = await hall.caching.answer(asking())
    assert ("hit", 0) == (served.cache, len(hall.b.calls))


async def test_the_answer_of_a_fallback_is_its_own(hall: Hall) -> None:
    """What b said because a failed is never given as what a said."""
    hall.a.fail(BackendError("boom"))
    await hall.caching.answer(asking())
    hall.deployments = [a_deployment("a/tiny")]
    served, _ = await hall.caching.answer(asking())
    assert ("miss", "a") == (served.cache, served.deployment.backend)


async def test_two_values_under_one_name_are_never_kept(hall: Hall) -> None:
    """We would read the last one, and a backend perhaps the first."""
    body = b'{"model":"tiny","temperature":0,"messages":[{"role":"user","content":"a"}],"messages":[]}'
    for _ in range(2):
        served, _ = await hall.caching.answer(replace(asking(), body=body))
        assert served.cache is None
    assert 2 == len(hall.a.calls)


@pytest.mark.parametrize("garbage", [b"", b"null", b"{}", b"\xff\xfe", b"\x81\xa3key\xa1x"])
async def test_garbage_in_the_cache_is_a_miss(garbage: bytes) -> None:
    """Whoever wrote it there."""
    hall = Hall(cache=_Lying(garbage))
    served, answer = await hall.caching.answer(asking())
    assert ("miss", True) == (served.cache, b"one two three" in answer.data)


async def test_a_server_that_is_away_costs_nobody_an_answer() -> None:
    """Requests are served as if there were no cache."""
    hall = Hall(cache=ValkeyCache("redis://127.0.0.1:1/0", FakeClock()))
    for number in range(3):
        _, answer = await hall.caching.answer(asking(id=f"r-{number}"))
        assert b"one two three" in answer.data
    assert 3 == len(hall.a.calls)
    await hall.caching.close()


async def test_closing_stops_what_is_on_its_way(hall: Hall) -> None:
    """Whoever waits hears of it."""
    hall.a.hold()
    pending = asyncio.ensure_future(hall.caching.answer(asking()))
    await _until(hall, 1)
    await hall.caching.close()
    with pytest.raises(asyncio.CancelledError):
        await pending
    assert 0 == len(hall.caching._flights)


async def test_an_answer_cut_by_a_filter_is_not_kept() -> None:
    """Only what came to its own end."""
    hall = Hall(a=_Filtered("a"))
    for _ in range(2):
        served, _ = await hall.caching.answer(asking())
        assert "miss" == served.cache


class _Filtered(FakeBackend):
    async def answer(self, request, deployment):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        """The same, ended by somebody else."""
        answer = await super().answer(request, deployment)
        return replace(answer, data=answer.data.replace(b'"stop"', b'"content_filter"'))


class _Lying:
    """A cache that somebody else writes."""

    def __init__(self, value: bytes) -> None:
        self._value = value

    async def get(self, _tenant: str, keys: Sequence[str]) -> Sequence[bytes | None]:
        """The same for everybody."""
        return [self._value] * len(keys)

    async def put(self, _tenant: str, _entries: object, _ttl_s: float) -> None:
        """Not kept."""

    async def close(self) -> None:
        """Nothing to do."""
