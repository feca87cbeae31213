"""vLLM as a backend, over a fake that has its quirks."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from roundhouse.backends.kinds.vllm import VLLM
from roundhouse.core.errors import BackendError, ConflictError, DeadlineError, SchemaError
from roundhouse.core.inference import Capability, ChunkStream, Deployment, Residency
from roundhouse.core.runtimes import Feature
from roundhouse.testing.asking import ask_chat, ask_embedding
from roundhouse.testing.upstream import Fault, Planned
from roundhouse.testing.vllm import CONTEXT, EMBEDDER, LORA, MODEL, THOUGHT, FakeVLLM

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


@asynccontextmanager
async def vllm(**wishes: bool) -> AsyncIterator[tuple[FakeVLLM, VLLM]]:
    """A fake, and the backend over it."""
    async with FakeVLLM(**wishes) as fake:  # type: ignore[arg-type]
        backend = VLLM("it", fake.url)
        yield fake, backend
        await backend.close()


async def named(backend: VLLM, model: str = MODEL) -> Deployment:
    """The deployment of that model."""
    return next(each for each in await backend.deployments() if each.model == model)


async def drained(stream: ChunkStream) -> None:
    """Read it to its end."""
    async for _ in stream:
        pass


async def test_a_model_has_its_context_and_its_repository() -> None:
    """Both stand in the list."""
    async with vllm() as (_, backend):
        echo = await named(backend)
    assert (CONTEXT, "nobody/echo", Residency.LOADED) == (echo.context, echo.traits.repo, echo.residency)


async def test_a_lora_module_has_the_context_of_its_model() -> None:
    """The list has none for it, and its root is a folder."""
    async with vllm() as (_, backend):
        lora = await named(backend, LORA)
    assert (CONTEXT, None) == (lora.context, lora.traits.repo)


async def test_it_tells_no_slots_and_batches_hundreds() -> None:
    """What is more waits there in its own order."""
    async with vllm() as (_, backend):
        told = (await named(backend)).traits
    assert (None, 256) == (told.slots, told.slots_usual)


async def test_health_is_that_of_the_engine() -> None:
    """The version would be told by a server whose engine died."""
    async with vllm() as (fake, backend):
        assert "vLLM 0.19.0" == (await backend.health()).detail
        fake.is_dead = True
        assert not (await backend.health()).ok


async def test_its_key_guards_only_the_dialect() -> None:
    """Health needs none, and a refused key is told as one."""
    async with FakeVLLM(api_key="secret") as fake:
        backend = VLLM("it", fake.url)
        assert (await backend.health()).ok
        with pytest.raises(BackendError, match="the key is refused: Unauthorized"):
            await backend.deployments()
        await backend.close()


@pytest.mark.parametrize("old", [True, False])
async def test_what_is_too_long_is_the_requests_fault(old: bool) -> None:  # noqa: FBT001
    """In both shapes that its errors have."""
    async with vllm(old=old) as (_, backend):
        with pytest.raises(SchemaError, match=f"maximum context length is {CONTEXT}") as caught:
            await backend.answer(ask_chat("word " * (CONTEXT + 1)), await named(backend))
    assert "ask for less, or choose a model with a larger context" == caught.value.hint


@pytest.mark.parametrize("stream", [True, False])
async def test_without_a_tool_parser_another_may_call_tools(stream: bool) -> None:  # noqa: FBT001
    """And from then on nobody asks it again."""
    async with vllm(tool_parser=False) as (_, backend):
        echo = await named(backend)
        request = ask_chat(stream=stream, tools=TOOLS)
        with pytest.raises(BackendError, match="enable-auto-tool-choice") as caught:
            await (drained(backend.stream(request, echo)) if stream else backend.answer(request, echo))
        assert caught.value.retryable
        assert {Capability.TOOLS} == echo.capabilities - (await named(backend)).capabilities


async def test_an_embedder_embeds_and_others_may_chat() -> None:
    """One process has one model."""
    async with vllm(embeds=True) as (_, backend):
        embedder = await named(backend, EMBEDDER)
        assert (await backend.answer(ask_embedding(), embedder)).data
        with pytest.raises(BackendError, match="does not support Chat Completions API") as caught:
            await backend.answer(ask_chat(), embedder)
    assert caught.value.retryable


@pytest.mark.parametrize("old", [True, False])
async def test_what_it_thinks_is_called_as_everywhere(old: bool) -> None:  # noqa: FBT001
    """Both in pieces and as a whole."""
    async with vllm(old=old) as (fake, backend):
        fake.thinks = True
        echo = await named(backend)
        answer = await backend.answer(ask_chat(), echo)
        chunks = [chunk async for chunk in backend.stream(ask_chat(stream=True), echo)]
    assert THOUGHT == json.loads(answer.data)["choices"][0]["message"]["reasoning_content"]
    deltas = [choice["delta"] for chunk in chunks for choice in json.loads(chunk.data)["choices"]]
    assert [THOUGHT] == [delta["reasoning_content"] for delta in deltas if "reasoning_content" in delta]
    assert [True] == [chunk.visible for chunk in chunks if THOUGHT.encode() in chunk.data]


async def test_usage_with_every_chunk_ends_in_the_right_sum() -> None:
    """The last one counts."""
    async with vllm() as (_, backend):
        request = ask_chat("a b c", stream=True, stream_options={"continuous_usage_stats": True})
        chunks = [chunk async for chunk in backend.stream(request, await named(backend))]
    counts = [chunk.usage.completion for chunk in chunks if chunk.usage is not None]
    assert (3, True) == (counts[-1], len(counts) > 1)
    assert [True] == [chunk.usage_only for chunk in chunks if chunk.usage_only]


async def test_an_error_of_old_in_a_stream_is_one() -> None:
    """It stands at the top of the chunk, after a status of success."""
    data = b'{"object":"error","message":"engine died","type":"InternalServerError","param":null,"code":500}'
    async with vllm(old=True) as (fake, backend):
        fake.plan(Planned(Fault.STATUS, 200, body=data))
        with pytest.raises(BackendError, match="engine died"):
            await backend.answer(ask_chat(), await named(backend))


async def test_only_one_that_says_whether_it_sleeps_can_be_loaded() -> None:
    """The addresses for that are there in development mode alone."""
    async with vllm() as (_, backend), vllm(dev_mode=True) as (_, other):
        await backend.deployments()
        await other.deployments()
        assert not backend.features
        assert {Feature.LOAD, Feature.UNLOAD} == other.features


async def test_one_that_sleeps_is_cold_and_says_so() -> None:
    """Its weights are not where they are needed."""
    async with vllm(dev_mode=True) as (_, backend):
        await backend.unload(MODEL)
        assert Residency.COLD == (await named(backend)).residency
        assert "vLLM 0.19.0; sleeps" == (await backend.health()).detail


async def test_fifty_requests_wake_it_once() -> None:
    """Asleep it would answer none of them."""
    async with vllm(dev_mode=True) as (fake, backend):
        await backend.unload(MODEL)
        echo = await named(backend)
        fake.may_wake.clear()
        asked = [asyncio.create_task(backend.answer(ask_chat(), echo)) for _ in range(50)]
        await fake.until(lambda: fake.woken["/wake_up"] > 0)
        fake.may_wake.set()
        answers = await asyncio.gather(*asked)
        assert (50, 1) == (len(answers), fake.woken["/wake_up"])
        assert Residency.LOADED == (await named(backend)).residency


async def test_to_load_what_is_awake_is_nothing() -> None:
    """No order is given."""
    async with vllm(dev_mode=True) as (fake, backend):
        assert 0.0 == await backend.load(MODEL)
        assert 0 == fake.woken["/wake_up"]


async def test_a_waking_takes_no_longer_than_the_request() -> None:
    """It goes on for the next."""
    async with vllm(dev_mode=True) as (fake, backend):
        await backend.unload(MODEL)
        echo = await named(backend)
        fake.may_wake.clear()
        with pytest.raises(DeadlineError, match="did not wake"):
            await backend.answer(ask_chat(timeout_s=0.05), echo)


async def test_it_sleeps_when_others_have_their_answers() -> None:
    """By itself vLLM ends what it is answering when it is sent to sleep; that others ask it, we do not see."""
    async with vllm(dev_mode=True) as (fake, backend):
        somebody_else, go_on = VLLM("other", fake.url), fake.pause()
        answer = asyncio.create_task(drained(somebody_else.stream(ask_chat(stream=True), await named(backend))))
        await fake.until(lambda: fake.fired[Fault.STALL_IN_TEXT] > 0)
        sleep = asyncio.create_task(backend.unload(MODEL))
        await asyncio.wait([sleep], timeout=0.05)
        go_on()
        await asyncio.gather(answer, sleep)
        assert Residency.COLD == (await named(backend)).residency
        await somebody_else.close()


async def test_it_is_not_sent_to_sleep_while_it_answers_us() -> None:
    """Older versions know of no waiting."""
    async with vllm(dev_mode=True, old=True) as (fake, backend):
        go_on = fake.pause()
        answer = asyncio.create_task(drained(backend.stream(ask_chat(stream=True), await named(backend))))
        await fake.until(lambda: fake.fired[Fault.STALL_IN_TEXT] > 0)
        with pytest.raises(ConflictError, match="in use"):
            await backend.unload(MODEL)
        go_on()
        await answer


async def test_one_that_was_not_started_to_sleep_says_so() -> None:
    """The order is refused."""
    async with vllm(dev_mode=True, sleep_mode=False) as (_, backend):
        with pytest.raises(BackendError, match="Sleep mode is not enabled"):
            await backend.unload(MODEL)
