"""LM Studio as a backend, over a fake that has its quirks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from roundhouse.backends.kinds.lmstudio.backend import LMStudio
from roundhouse.core.errors import BackendError, CapacityError, NotFoundError
from roundhouse.core.inference import Capability, Deployment, Residency
from roundhouse.core.runtimes import Feature
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.lmstudio import Api, FakeLMStudio

#: Longer than anything is believed.
AN_HOUR_S = 3600.0


@asynccontextmanager
async def studio(api: Api = Api.V1, clock: FakeClock | None = None) -> AsyncIterator[tuple[FakeLMStudio, LMStudio]]:
    """A fake of that version, and the backend over it."""
    async with FakeLMStudio(api) as fake:
        backend = LMStudio("studio", fake.url, clock=clock)
        yield fake, backend
        await backend.close()


async def echo_of(backend: LMStudio) -> Deployment:
    """The model that chats."""
    return next(each for each in await backend.deployments() if each.model == "echo")


@pytest.mark.parametrize(("api", "context"), [(Api.V1, 131_072), (Api.V0, None)])
async def test_what_is_not_loaded_is_cold(api: Api, context: int | None) -> None:
    """It can have all that the weights allow where LM Studio can be told so; elsewhere nobody knows yet."""
    async with studio(api) as (_, backend):
        echo = await echo_of(backend)
    assert (Residency.COLD, context, 131_072) == (echo.residency, echo.context, echo.traits.context_max)


@pytest.mark.parametrize(("api", "slots"), [(Api.V1, 4), (Api.V0, 1), (Api.OPENAI, None)])
async def test_what_is_sent_at_a_time_is_a_guess_until_it_is_told(api: Api, slots: int | None) -> None:
    """It queues what is more, whatever its priority; before 0.4 it never tells."""
    async with studio(api) as (_, backend):
        told = (await echo_of(backend)).traits
    assert (None, slots) == (told.slots, told.slots_usual)


async def test_traits_are_told() -> None:
    """Quantisation, parameters, family, format, size and the seconds that loading took are known."""
    async with studio() as (_, backend):
        await backend.load("echo", context=8192)
        echo = await echo_of(backend)
    told = echo.traits
    assert ("Q4_K_M", 7 * 10**9, "llama", "gguf") == (told.quantization, told.parameters, told.family, told.format)
    assert (131_072, 4, 1000, 2.5) == (echo.context, told.slots, told.size, told.load_s)


@pytest.mark.parametrize("trained", [True, False])
async def test_tools_are_for_models_that_learnt_to_call_them(trained: bool) -> None:  # noqa: FBT001 - a parameter
    """LM Studio says which."""
    async with studio() as (fake, backend):
        fake.is_trained_for_tools = trained
        assert trained == (Capability.TOOLS in (await echo_of(backend)).capabilities)


@pytest.mark.parametrize(("api", "alone"), [(Api.V1, False), (Api.V0, True)])
async def test_what_loads_by_being_asked_drops_what_it_had(api: Api, alone: bool) -> None:  # noqa: FBT001 - the table
    """Which 0.4 does not when it is told to load; and two that are there were put there by somebody."""
    async with studio(api) as (_, backend):
        none_is_there = {each.traits.alone for each in await backend.deployments()}
        await backend.load("echo")
        one_is_there = {each.traits.alone for each in await backend.deployments()}
        await backend.load("text-embed")
        two_are_there = {each.traits.alone for each in await backend.deployments()}
    assert ({alone}, {alone}, {False}) == (none_is_there, one_is_there, two_are_there)


@pytest.mark.parametrize("api", [Api.V1, Api.V0])
@pytest.mark.parametrize(
    ("publisher", "told"),
    [("bartowski", "bartowski"), ("imported-models", None), ("", None), (None, None), ("a/b", None), ("x" * 97, None)],
)
async def test_who_published_a_model_is_told(api: Api, publisher: str | None, told: str | None) -> None:
    """Of a file that was put there by hand nobody knows."""
    async with studio(api) as (fake, backend):
        fake.publisher = publisher
        assert told == (await echo_of(backend)).traits.publisher


@pytest.mark.parametrize("api", list(Api))
async def test_fifty_first_requests_are_one_load(api: Api) -> None:
    """LM Studio itself would load a copy for each."""
    async with studio(api) as (fake, backend):
        echo = await echo_of(backend)
        fake.may_load.clear()
        asked = [asyncio.create_task(backend.answer(ask_chat(), echo)) for _ in range(50)]
        await fake.until(lambda: fake.loads["echo"] > 0)
        fake.may_load.set()
        answers = await asyncio.gather(*asked)
    assert (50, 1) == (len(answers), fake.loads["echo"])


async def test_who_stops_waiting_does_not_stop_the_load() -> None:
    """A client that leaves takes nothing from those who still wait."""
    async with studio() as (fake, backend):
        echo = await echo_of(backend)
        fake.may_load.clear()
        first, second = (asyncio.create_task(backend.answer(ask_chat(), echo)) for _ in range(2))
        await fake.until(lambda: fake.loads["echo"] > 0)
        first.cancel()
        fake.may_load.set()
        assert (await second).data
    assert 1 == fake.loads["echo"]


async def test_a_copy_is_unloaded_by_its_own_name() -> None:
    """The key of a model is not the id of its instance."""
    async with studio() as (fake, backend):
        await backend.load("echo")
        assert ["echo:1"] == list(fake.instances)
        await backend.unload("echo")
        assert {} == fake.instances


async def test_what_is_in_memory_is_not_loaded_again() -> None:
    """Somebody may have loaded it in the window of LM Studio."""
    async with studio() as (fake, backend):
        fake.instances["mine"] = ("echo", 4096)
        fake.models = (*fake.models, "mine")
        assert (await backend.answer(ask_chat(), await echo_of(backend))).data
    assert (0, "mine") == (fake.loads["echo"], fake.seen[0].body["model"])


async def test_a_larger_context_takes_the_place_of_a_smaller() -> None:
    """One copy of a model is enough."""
    async with studio() as (fake, backend):
        await backend.load("echo", context=2048)
        await backend.load("echo", context=8192)
    assert [("echo", 8192)] == list(fake.instances.values())


async def test_no_memory_is_no_failure_of_the_backend() -> None:
    """It is a matter of room."""
    async with studio() as (fake, backend):
        fake.room = 0
        with pytest.raises(CapacityError, match="studio: Failed to load"):
            await backend.load("echo")


async def test_a_model_that_is_not_there_cannot_be_loaded() -> None:
    """And the error says where to get it."""
    async with studio() as (_, backend):
        with pytest.raises(NotFoundError, match="no model gone"):
            await backend.load("gone")


async def test_what_only_the_load_can_tell_is_not_there_either() -> None:
    """Without a native API nobody can look before."""
    async with studio(Api.OPENAI) as (_, backend):
        with pytest.raises(NotFoundError, match="gone"):
            await backend.load("gone")


async def test_the_older_api_tells_the_state_too() -> None:
    """Version 0 knows what is loaded and with how much context."""
    async with studio(Api.V0) as (_, backend):
        await backend.load("echo")
        echo = await echo_of(backend)
    assert (Residency.LOADED, 4096, True) == (echo.residency, echo.context, Capability.VISION in echo.capabilities)


async def test_the_older_api_cannot_unload() -> None:
    """What it cannot do it does not claim, and says so when asked."""
    async with studio(Api.V0) as (_, backend):
        await backend.deployments()
        assert frozenset({Feature.LOAD}) == backend.features
        with pytest.raises(BackendError, match="cannot unload"):
            await backend.unload("echo")


async def test_without_a_native_api_nothing_is_claimed_of_residency() -> None:
    """OpenAI's list shows everything that is downloaded as if it were served; unknown paths are answered with 200."""
    async with studio(Api.OPENAI) as (fake, backend):
        assert Residency.UNKNOWN == (await echo_of(backend)).residency
    assert ["/api/v1/models", "/api/v0/models"] == fake.unknown_paths


@pytest.mark.parametrize(("api", "said"), [(Api.V1, "API v1; loaded: 0 of 2"), (Api.V0, "API v0; loaded: 0 of 2")])
async def test_health_says_what_is_loaded(api: Api, said: str) -> None:
    """By the list, which loads nothing."""
    async with studio(api) as (fake, backend):
        health = await backend.health()
    assert (True, f"LM Studio, {said}", 0) == (health.ok, health.detail, fake.loads.total())


@pytest.mark.parametrize("api", list(Api))
async def test_what_was_evicted_is_loaded_again_once(api: Api) -> None:
    """By its time to live, by hand or by a restart: LM Studio tells nobody, and would load a copy for each request."""
    clock = FakeClock()
    async with studio(api, clock) as (fake, backend):
        echo = await echo_of(backend)
        await backend.answer(ask_chat(), echo)
        fake.evict()
        clock.advance(AN_HOUR_S)
        answers = await asyncio.gather(*[backend.answer(ask_chat(), echo) for _ in range(10)])
    assert (10, 2) == (len(answers), fake.loads["echo"])


@pytest.mark.parametrize("stream", [False, True])
async def test_an_eviction_that_nobody_could_notice_is_made_good(stream: bool) -> None:  # noqa: FBT001 - a parameter
    """The copy that is unknown is loaded once, and each request is asked once more."""
    async with studio(clock=FakeClock()) as (fake, backend):
        echo = await echo_of(backend)
        await backend.answer(ask_chat(), echo)
        fake.evict()
        asked = [said(backend, echo, stream=stream) for _ in range(10)]
        answers = await asyncio.gather(*asked)
    assert ([True] * 10, 2) == ([bool(answer) for answer in answers], fake.loads["echo"])


async def said(backend: LMStudio, echo: Deployment, *, stream: bool) -> bytes:
    """All that an answer consists of."""
    if not stream:
        return (await backend.answer(ask_chat(), echo)).data
    return b"".join([chunk.data async for chunk in backend.stream(ask_chat(stream=True), echo)])


async def test_nobody_looks_while_answers_prove_that_it_is_there() -> None:
    """One look for those who ask after a while, and none for those who ask at once."""
    clock = FakeClock()
    async with studio(clock=clock) as (fake, backend):
        echo = await echo_of(backend)
        await backend.answer(ask_chat(), echo)
        looks = fake.looks
        clock.advance(3.0)
        await asyncio.gather(*[backend.answer(ask_chat(), echo) for _ in range(10)])
        await backend.answer(ask_chat(), echo)
    assert 1 == fake.looks - looks


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", [Api.V0, Api.OPENAI])
async def test_an_answer_of_another_model_is_none(api: Api, stream: bool) -> None:  # noqa: FBT001 - a parameter
    """Without just-in-time loading whichever model is loaded answers, and nothing but its name tells."""
    clock = FakeClock()
    async with studio(api, clock) as (fake, backend):
        echo = await echo_of(backend)
        await backend.answer(ask_chat(), echo)
        fake.evict()
        fake.instances["text-embed"] = ("text-embed", 4096)
        fake.loads_just_in_time = False
        with pytest.raises(BackendError, match="studio: text-embed answered, and echo was asked"):
            await said(backend, echo, stream=stream)


@pytest.mark.parametrize("stream", [False, True])
async def test_where_another_model_answers_the_right_one_is_loaded(stream: bool) -> None:  # noqa: FBT001 - a parameter
    """Since 0.4 it loads when it is told to, and then two are in memory and each answers for itself."""
    async with studio(clock=FakeClock()) as (fake, backend):
        echo = await echo_of(backend)
        await backend.answer(ask_chat(), echo)
        fake.evict()
        fake.instances["other"] = ("text-embed", 4096)
        fake.loads_just_in_time = False
        assert b'"other"' not in await said(backend, echo, stream=stream)
    assert 2 == fake.loads["echo"]


async def test_a_token_that_is_needed_is_asked_for() -> None:
    """Where people look, without its being told."""
    async with FakeLMStudio(token="sk-lm-one") as fake:
        without, with_it = LMStudio("studio", fake.url), LMStudio("studio", fake.url, api_key="sk-lm-one")
        health = await without.health()
        assert (False, True) == (health.ok, "An LM Studio API token is required" in health.detail)
        assert (await with_it.answer(ask_chat(), await echo_of(with_it))).data
        for backend in (without, with_it):
            await backend.close()
