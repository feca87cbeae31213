import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import pytest
from tests.unit.serving.conftest import House

from roundhouse.core.errors import BackendError, DeadlineError, NetworkError
from roundhouse.core.inference import Chunk, Deployment, InferenceRequest, TokenUsage
from roundhouse.testing.backend import FakeBackend, a_request


async def read(house: House, request: InferenceRequest | None = None) -> list[Chunk]:
    """The whole stream."""
    _, flow = await house.serving.stream(request or a_request(stream=True))
    async with aclosing(flow):
        return [chunk async for chunk in flow]


class Odd(FakeBackend):
    """A backend whose stream is exactly these chunks."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        super().__init__("a")
        self.chunks = chunks

    async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncIterator[Chunk]:
        """Nothing but the chunks."""
        self.calls.append((request, deployment))
        for chunk in self.chunks:
            yield chunk


async def test_every_chunk_arrives_in_order(house: House) -> None:
    """The role, three pieces and the finish reason; the usage is not for a client that did not ask."""
    assert [chunk.visible for chunk in await read(house)] == [False, True, True, True, False]


async def test_the_usage_chunk_is_for_clients_that_ask(house: House) -> None:
    """It comes last."""
    chunks = await read(house, a_request(stream=True, wants_usage=True))
    assert (len(chunks), chunks[-1].usage_only) == (6, True)


async def test_the_usage_is_metered_in_any_case(house: House) -> None:
    """The backend's count is in the record, whether the client sees it or not."""
    await read(house)
    record = house.record
    assert (record.prompt_tokens, record.completion_tokens, record.estimated) == (5, 3, False)
    assert (record.outcome, record.stream, house.a.streams_ended, house.in_flight) == ("ok", True, 1, 0)


async def test_the_next_one_streams_when_the_first_fails_before_its_first_token(house: House) -> None:
    """Nothing that the first one sent reaches the client."""
    house.a.fail(BackendError(), after_pieces=0)
    served, flow = await house.serving.stream(a_request(stream=True))
    assert (served.deployment.id, served.attempts, len([chunk async for chunk in flow])) == ("b/tiny", 2, 5)
    assert (house.a.faults_fired, house.a.streams_ended) == (1, 1)


async def test_after_the_first_token_an_error_ends_the_stream(house: House) -> None:
    """What was sent cannot be taken back: one error, and no second deployment."""
    house.a.fail(BackendError("cut"), after_pieces=2)
    _, flow = await house.serving.stream(a_request(stream=True))
    seen = [await anext(flow) for _ in range(3)]
    with pytest.raises(BackendError, match="cut"):
        await anext(flow)
    assert (sum(chunk.visible for chunk in seen), len(house.b.calls), house.a.faults_fired) == (2, 0, 1)
    assert [chunk async for chunk in flow] == []


async def test_a_cut_stream_counts_against_the_deployment(house: House) -> None:
    """The record has the error and an estimate of what was already sent."""
    house.a.fail(NetworkError(), after_pieces=2)
    with pytest.raises(NetworkError):
        await read(house)
    record = house.record
    assert (record.outcome, record.backend, record.completion_tokens, record.estimated) == ("E_NET", "a", 2, True)
    assert (house.standings["a/tiny"].error_rate(0.0) > 0.0, house.in_flight) == (True, 0)


async def test_a_cut_after_the_finish_reason_is_no_error(house: House) -> None:
    """The answer is complete: a connection that ends without [DONE] takes nothing from it."""

    class Rude(Odd):
        async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncIterator[Chunk]:
            async for chunk in super().stream(request, deployment):
                yield chunk
            raise NetworkError

    house.a = Rude([Chunk(b"1", visible=True), Chunk(b"2", final=True)])
    assert ([chunk.data for chunk in await read(house)], house.record.outcome) == ([b"1", b"2"], "ok")


async def test_a_stream_without_a_finish_reason_is_an_error(house: House) -> None:
    """An answer that just stops is not passed off as a whole one."""
    house.a = Odd([Chunk(b"1", visible=True)])
    with pytest.raises(BackendError, match="a ended the stream without a finish reason"):
        await read(house)
    assert house.record.outcome == "E_BACKEND"


async def test_a_stream_that_ends_before_it_begins_falls_back(house: House) -> None:
    """An empty stream is a failed attempt."""
    house.a = Odd([Chunk(b"1")])
    assert (len(await read(house)), house.record.backend) == (5, "b")


async def test_an_empty_answer_is_an_answer(house: House) -> None:
    """A model may finish without saying anything."""
    house.a = Odd([Chunk(b"1"), Chunk(b"2", final=True)])
    assert ([chunk.data for chunk in await read(house)], house.record.outcome) == ([b"1", b"2"], "ok")


async def test_many_invisible_chunks_are_not_held_back_for_ever(house: House) -> None:
    """Memory is bounded, and a client sees that something happens."""
    house.a = Odd([*[Chunk(b"0")] * 100, Chunk(b"2", final=True)])
    _, flow = await house.serving.stream(a_request(stream=True))
    assert len([chunk async for chunk in flow]) == 101


async def test_closing_stops_the_upstream(house: House) -> None:
    """A client that leaves midway is recorded as such, with what it got."""
    _, flow = await house.serving.stream(a_request(stream=True))
    for _ in range(3):
        await anext(flow)
    await flow.aclose()
    record = house.record
    assert (record.outcome, record.completion_tokens, record.estimated) == ("client_closed", 2, True)
    assert (house.a.streams_ended, house.in_flight) == (1, 0)


async def test_closing_before_the_first_read_stops_the_upstream(house: House) -> None:
    """Between the commit and the first byte a client may leave as well."""
    _, flow = await house.serving.stream(a_request(stream=True))
    await flow.aclose()
    assert (house.record.outcome, house.a.streams_ended, house.in_flight) == ("client_closed", 1, 0)


async def test_closing_twice_records_once(house: House) -> None:
    """The end comes once."""
    _, flow = await house.serving.stream(a_request(stream=True))
    await flow.aclose()
    await flow.aclose()
    assert house.record.outcome == "client_closed"


async def test_leaving_after_the_finish_reason_is_not_leaving_early(house: House) -> None:
    """Whoever has the whole answer may go."""
    _, flow = await house.serving.stream(a_request(stream=True))
    async for chunk in flow:
        if chunk.final:
            break
    await flow.aclose()
    assert (house.record.outcome, house.a.streams_ended) == ("ok", 1)


async def test_cancelling_the_reader_stops_the_upstream(house: House) -> None:
    """The server cancels the task of a client that went away while it waits for the next piece."""
    house.a.hold(after_pieces=1)
    task = asyncio.create_task(read(house))
    await house.a.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (house.record.outcome, house.a.streams_ended, house.in_flight) == ("client_closed", 1, 0)


async def test_cancelling_before_the_first_token_stops_the_upstream(house: House) -> None:
    """Then no other deployment is tried either."""
    house.a.hold()
    task = asyncio.create_task(read(house))
    await house.a.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (house.record.outcome, house.a.streams_ended, len(house.b.calls)) == ("client_closed", 1, 0)


async def test_throwing_into_it_closes_it(house: House) -> None:
    """It can be used wherever an async generator can."""
    _, flow = await house.serving.stream(a_request(stream=True))
    with pytest.raises(KeyError):
        await flow.athrow(KeyError("x"))
    assert (house.record.outcome, house.a.streams_ended) == ("client_closed", 1)


async def test_the_deadline_ends_a_stream_that_stalls(house: House) -> None:
    """After the first piece as before it."""
    house.a.hold(after_pieces=1)
    with pytest.raises(DeadlineError):
        await read(house, a_request(stream=True, timeout_s=0.02))
    assert (house.record.outcome, house.record.backend, house.a.streams_ended) == ("E_TIMEOUT", "a", 1)


async def test_the_time_to_the_first_token_is_measured(house: House) -> None:
    """From the arrival of the request; the client's own reading is nobody's overhead."""
    house.a.hold()
    task = asyncio.create_task(house.serving.stream(a_request(stream=True)))
    await house.a.waiting.wait()
    house.clock.advance(2.0)
    house.a.let_go()
    _, flow = await task
    house.clock.advance(5.0)
    assert len([chunk async for chunk in flow]) == 5
    record = house.record
    assert (record.first_token_ms, record.latency_ms, record.overhead_ms) == (2_000.0, 7_000.0, 0.0)


async def test_what_a_reader_takes_is_told_from_what_the_backend_takes(house: House) -> None:
    """Otherwise whoever reads slowly would make it look slow."""
    house.a.hold(after_pieces=1)
    _, flow = await house.serving.stream(a_request(stream=True))
    for _ in ("who speaks", "what was said"):
        await anext(flow)
    house.clock.advance(3.0)
    reading = asyncio.ensure_future(anext(flow))
    await house.a.waiting.wait()
    house.clock.advance(1.0)
    house.a.let_go()
    await reading
    house.clock.advance(2.0)
    await flow.aclose()
    (attempt,) = house.record.attempts
    assert (3_000.0, 6.0) == (attempt.held_ms, attempt.making_s)


class Plain:
    """A stream that is no generator: it fails after its first piece, and notes whether anybody closes it."""

    closed = 0

    def __init__(self) -> None:
        self.left = [Chunk(b"1", visible=True)]

    def __aiter__(self) -> "Plain":
        return self

    async def __anext__(self) -> Chunk:
        if not self.left:
            raise NetworkError
        return self.left.pop()

    async def aclose(self) -> None:
        """Count."""
        self.closed += 1


async def test_a_broken_stream_is_closed(house: House) -> None:
    """Not every iterator cleans up when it raises."""
    stream = Plain()

    class Adapter(FakeBackend):
        def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncIterator[Chunk]:  # noqa: ARG002 - the port
            return stream

    house.a = Adapter("a")
    with pytest.raises(NetworkError):
        await read(house)
    assert stream.closed == 1


async def test_a_running_total_of_usage_counts_once(house: House) -> None:
    """Some backends repeat the usage in every chunk: the last one is the total."""
    totals = [TokenUsage(4, number) for number in (1, 2)]
    house.a = Odd([Chunk(b"1", visible=True, usage=totals[0]), Chunk(b"2", final=True, usage=totals[1])])
    await read(house)
    assert (house.record.prompt_tokens, house.record.completion_tokens) == (4, 2)
