"""What LM Studio is made to have in memory, over a fake that has its quirks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from roundhouse.backends.kinds.lmstudio.backend import LMStudio
from roundhouse.backends.kinds.lmstudio.config import Policy
from roundhouse.core.errors import CapacityError, SchemaError
from roundhouse.core.inference import Deployment, InferenceRequest
from roundhouse.testing.asking import ask_chat, ask_embedding
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.lmstudio import Api, FakeLMStudio

LONG = 20_000


@asynccontextmanager
async def studio(
    api: Api = Api.V1, clock: FakeClock | None = None, **policy: object
) -> AsyncIterator[tuple[FakeLMStudio, LMStudio]]:
    """A fake of that version, and the backend over it."""
    async with FakeLMStudio(api) as fake:
        backend = LMStudio("studio", fake.url, clock=clock or FakeClock(), policy=Policy(**policy))  # type: ignore[arg-type]
        yield fake, backend
        await backend.close()


async def told(backend: LMStudio, model: str = "echo") -> Deployment:
    """One model, as it is told of."""
    return next(each for each in await backend.deployments() if each.model == model)


def long(request: InferenceRequest, tokens: int = LONG) -> InferenceRequest:
    """The same with a prompt of so many tokens."""
    return replace(request, profile=replace(request.profile, prompt_tokens=tokens))


@pytest.mark.parametrize(("tokens", "context"), [(8, 4096), (3000, 8192), (LONG, 32_768), (120_000, 131_072)])
async def test_a_model_is_loaded_with_the_context_that_is_needed(tokens: int, context: int) -> None:
    """In few steps, up to what its weights allow; LM Studio's own default holds the shortest only."""
    async with studio() as (fake, backend):
        await backend.answer(long(ask_chat(), tokens), await told(backend))
    assert [("echo", context)] == list(fake.instances.values())


async def test_what_was_never_listed_is_loaded_with_what_is_needed() -> None:
    """It is looked up first."""
    async with studio() as (fake, backend):
        echo = Deployment("studio", "echo", "echo", frozenset())
        await backend.answer(long(ask_chat()), echo)
    assert [("echo", 32_768)] == list(fake.instances.values())


async def test_a_longer_prompt_has_it_loaded_anew() -> None:
    """In the place of the smaller copy, for LM Studio has no room for two; and it does not shrink again."""
    async with studio() as (fake, backend):
        fake.room = 1
        echo = await told(backend)
        for tokens in (8, LONG, 8):
            await backend.answer(long(ask_chat(), tokens), echo)
    assert ([("echo", 32_768)], 2) == (list(fake.instances.values()), fake.loads["echo"])


async def test_who_is_being_answered_is_not_cut_off() -> None:
    """The larger context waits for the reply to end, and who comes after waits for it."""
    async with studio() as (fake, backend):
        fake.room = 1
        echo = await told(backend)
        async with aclosing(backend.stream(ask_chat("a b c", stream=True), echo)) as chunks:
            await anext(chunks)
            asked = [asyncio.create_task(backend.answer(long(ask_chat(), tokens), echo)) for tokens in (LONG, 8)]
            rest = [chunk async for chunk in chunks]
        await asyncio.gather(*asked)
    assert (True, 2) == (rest[-1].final or rest[-1].usage_only, fake.loads["echo"])


async def test_many_prompts_of_many_lengths_need_few_loads() -> None:
    """One for each step at most."""
    async with studio() as (fake, backend):
        fake.room = 1
        echo = await told(backend)
        asked = [backend.answer(long(ask_chat(), tokens), echo) for tokens in (8, 3000, LONG, 8, 3000, LONG) * 5]
        assert 30 == len(await asyncio.gather(*asked))
    assert fake.loads["echo"] <= 3


async def test_the_copy_of_somebody_else_is_left_alone() -> None:
    """One with a larger context is loaded beside it."""
    async with studio() as (fake, backend):
        fake.put("mine", "echo", 4096)
        echo = await told(backend)
        await backend.answer(ask_chat(), echo)
        await backend.answer(long(ask_chat()), echo)
    assert {"mine": ("echo", 4096), "echo:1": ("echo", 32_768)} == fake.instances


async def test_what_can_never_fit_is_not_sent() -> None:
    """LM Studio would cut it."""
    async with studio() as (fake, backend):
        with pytest.raises(SchemaError, match="studio: about 200000 tokens of prompt do not fit the 131072"):
            await backend.answer(long(ask_chat(), 200_000), await told(backend))
    assert ({}, []) == (fake.instances, fake.seen)


async def test_a_context_that_somebody_fixed_is_what_fits() -> None:
    """Whatever is needed, and no more is told."""
    async with studio(context=16_384) as (fake, backend):
        echo = await told(backend)
        await backend.answer(ask_chat(), echo)
    assert (16_384, [("echo", 16_384)]) == (echo.context, list(fake.instances.values()))


async def test_what_it_loads_with_is_believed_not_what_was_asked() -> None:
    """A second load would be no larger."""
    async with studio() as (fake, backend):
        fake.most_context = 8192
        echo = await told(backend)
        for _ in range(3):
            await asyncio.wait([asyncio.create_task(backend.answer(long(ask_chat()), echo))])
        assert (1, 8192) == (fake.loads["echo"], (await told(backend)).context)


async def test_our_own_idle_copy_makes_room() -> None:
    """The one that was not used for longest; what somebody else loaded stays."""
    clock = FakeClock()
    async with studio(clock=clock) as (fake, backend):
        fake.put("mine", "text-embed", 2048)
        await backend.answer(ask_chat(), await told(backend))
        fake.room = 2
        fake.downloaded = (*fake.downloaded, "other")
        clock.advance(1.0)
        await backend.answer(ask_chat(), await told(backend, "other"))
    assert ["mine", "other:1"] == list(fake.instances)


async def test_nobody_elses_copy_makes_room() -> None:
    """Then there is none."""
    async with studio() as (fake, backend):
        fake.put("mine", "text-embed", 2048)
        fake.room = 1
        with pytest.raises(CapacityError, match="studio: Failed to load"):
            await backend.answer(ask_chat(), await told(backend))
    assert ["mine"] == list(fake.instances)


async def test_a_copy_that_answers_does_not_make_room() -> None:
    """However much another model is wanted."""
    async with studio() as (fake, backend):
        fake.room = 1
        async with aclosing(backend.stream(ask_chat("a b c", stream=True), await told(backend))) as chunks:
            await anext(chunks)
            with pytest.raises(CapacityError):
                await backend.answer(ask_embedding(), await told(backend, "text-embed"))
            assert [True] == [chunk.final async for chunk in chunks if chunk.final]


async def test_a_context_that_there_is_no_room_for_is_not_told() -> None:
    """It is not tried for each request, for that costs the copy that works."""
    clock = FakeClock()
    async with studio(clock=clock) as (fake, backend):
        echo = await told(backend)
        await backend.answer(ask_chat(), echo)
        fake.room = 0
        with pytest.raises(CapacityError, match="Failed to load"):
            await backend.answer(long(ask_chat()), echo)
        fake.room = 1
        await backend.answer(ask_chat(), echo)
        with pytest.raises(CapacityError, match="no room for echo with more than 4096 tokens"):
            await backend.answer(long(ask_chat()), echo)
        assert (4096, 2) == ((await told(backend)).context, fake.loads["echo"])
        clock.advance(3600.0)
        assert 131_072 == (await told(backend)).context


async def test_small_requests_do_not_fail_with_a_large_one() -> None:
    """What failed was for more than they need."""
    async with studio() as (fake, backend):
        fake.room, fake.roomy = 1, 4096
        echo = await told(backend)
        asked = [backend.answer(long(ask_chat(), tokens), echo) for tokens in (LONG, 8, 8)]
        large, *small = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(large, CapacityError)
    assert ([False, False], 1) == ([isinstance(each, BaseException) for each in small], fake.loads["echo"])


async def test_a_text_to_embed_is_not_ours_to_refuse() -> None:
    """It is read for itself, and our count is an estimate: LM Studio says when it is too long."""
    async with studio() as (fake, backend):
        embed = await told(backend, "text-embed")
        for tokens in (6000, 200_000):
            await backend.answer(long(ask_embedding(), tokens), embed)
    assert [("text-embed", 131_072)] == list(fake.instances.values())


async def test_what_nobody_asks_for_is_let_go_of() -> None:
    """When it was idle for long enough; somebody else's copy, and one that a person wanted, are not."""
    clock = FakeClock()
    async with studio(clock=clock, unload_after_s=60.0) as (fake, backend):
        fake.put("mine", "echo", 4096)
        await backend.load("text-embed")
        await backend.answer(long(ask_chat()), await told(backend))
        clock.advance(59.0)
        await backend.deployments()
        before = set(fake.instances)
        clock.advance(1.0)
        await backend.deployments()
        await fake.until(lambda: len(fake.instances) < len(before))
    assert {"echo:1"} == before - set(fake.instances)


async def test_a_person_may_say_how_long_it_stays() -> None:
    """With the wish to have it loaded."""
    clock = FakeClock()
    async with studio(clock=clock) as (fake, backend):
        await backend.load("echo", keep_s=5.0)
        clock.advance(5.0)
        await backend.deployments()
        await fake.until(lambda: not fake.instances)


@pytest.mark.parametrize(("api", "ttls"), [(Api.V0, [60]), (Api.OPENAI, [60])])
async def test_an_older_one_is_told_how_long_to_keep_it(api: Api, ttls: list[int]) -> None:
    """It cannot be told to unload."""
    async with studio(api, unload_after_s=60.0) as (fake, backend):
        await backend.answer(ask_chat(), await told(backend))
    assert ttls == [seen.body["ttl"] for seen in fake.seen if "ttl" in seen.body]


@pytest.mark.parametrize("api", list(Api))
async def test_what_is_wanted_is_loaded_before_anybody_asks(api: Api) -> None:
    """At the first list, with the context that was configured; what is not there is nobody's failure."""
    async with studio(api, preload=("echo", "gone", "text-embed")) as (fake, backend):
        await backend.deployments()
        await fake.until(lambda: len(fake.instances) == 2)
        await backend.deployments()
    assert {"echo": 1, "text-embed": 1} == fake.loads


async def test_it_is_loaded_anew_after_a_restart() -> None:
    """But not after somebody has ejected it."""
    clock = FakeClock()
    async with studio(clock=clock, preload=("echo",), context=8192) as (fake, backend):
        await backend.answer(ask_chat(), await told(backend))
        fake.evict()
        clock.advance(3600.0)
        await backend.deployments()
        ejected = dict(fake.instances)
        fake.is_down = True
        assert not (await backend.health()).ok
        fake.is_down = False
        await backend.deployments()
        await fake.until(lambda: bool(fake.instances))
    assert ({}, [("echo", 8192)]) == (ejected, list(fake.instances.values()))
