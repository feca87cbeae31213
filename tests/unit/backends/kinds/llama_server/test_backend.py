"""llama-server as a backend, over a fake that has the quirks of its router mode."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from roundhouse.backends.kinds.llama_server.backend import LlamaServer
from roundhouse.core.errors import BackendError, CapacityError, DeadlineError, NotFoundError, SchemaError
from roundhouse.core.inference import Capability, Deployment, Residency
from roundhouse.core.runtimes import Feature
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.llama_router import CONTEXT, FakeLlamaRouter


@asynccontextmanager
async def router(**wishes: bool | int) -> AsyncIterator[tuple[FakeLlamaRouter, LlamaServer]]:
    """A fake, and the backend over it."""
    async with FakeLlamaRouter(**wishes) as fake:  # type: ignore[arg-type]
        backend = LlamaServer("router", fake.url)
        yield fake, backend
        await backend.close()


async def named(backend: LlamaServer, model: str = "echo") -> Deployment:
    """The deployment of that model."""
    return next(each for each in await backend.deployments() if each.model == model)


async def test_a_router_loads_and_unloads() -> None:
    """It says so once it was asked what it is."""
    async with router() as (_, backend):
        before = backend.features
        await backend.deployments()
        assert not before
        assert {Feature.LOAD, Feature.UNLOAD} == backend.features


async def test_what_is_not_loaded_is_cold_and_has_no_context() -> None:
    """The placeholder of the router says 0, which is nobody's context."""
    async with router() as (fake, backend):
        echo = await named(backend)
        assert (Residency.COLD, None, None) == (echo.residency, echo.context, echo.traits.slots)
        assert 0 == sum(fake.loads.values())


@pytest.mark.parametrize(("models_max", "alone"), [(0, False), (1, True), (4, False)])
async def test_a_router_may_hold_one_model_at_a_time(models_max: int, alone: bool) -> None:  # noqa: FBT001 - the table
    """Then each of them drives out the one before, whatever that is doing."""
    async with router(models_max=models_max) as (_, backend):
        assert {alone} == {each.traits.alone for each in await backend.deployments()}


async def test_a_loaded_model_tells_everything() -> None:
    """Context of a slot, slots, quantisation in the usual words, parameters, memory, repository, abilities."""
    async with router() as (_, backend):
        await backend.load("echo")
        echo = await named(backend)
    told = echo.traits
    assert (Residency.LOADED, CONTEXT, 4, 131_072) == (echo.residency, echo.context, told.slots, told.context_max)
    assert ("Q4_K_M", 7_000_000_000, "gguf", 1000) == (told.quantization, told.parameters, told.format, told.memory)
    assert "nobody/echo-GGUF" == told.repo
    assert echo.capabilities >= {Capability.TOOLS, Capability.VISION, Capability.THINKING}
    assert Capability.EMBEDDING not in echo.capabilities


async def test_what_embeds_is_found_out_by_asking_for_nothing() -> None:
    """It stands nowhere; the answer costs no work."""
    async with router() as (_, backend):
        await backend.load("text-embed")
        embedder = await named(backend, "text-embed")
    assert {Capability.EMBEDDING} == embedder.capabilities
    assert 8 == embedder.traits.dimension


async def test_its_modes_are_asked_once() -> None:
    """Later looks only read."""
    async with router() as (fake, backend):
        await backend.load("echo")
        await backend.deployments()
        fake.seen.clear()
        await backend.deployments()
        assert [] == fake.seen


async def test_a_sleeping_model_is_not_woken_by_being_looked_at() -> None:
    """Any POST would wake it."""
    async with router() as (fake, backend):
        await backend.load("text-embed")
        fake.status["text-embed"]["value"] = "sleeping"
        embedder = await named(backend, "text-embed")
        assert (Residency.COLD, "sleeping") == (embedder.residency, fake.status["text-embed"]["value"])


@pytest.mark.parametrize("autoload", [True, False])
async def test_fifty_first_requests_are_one_load(autoload: bool) -> None:  # noqa: FBT001
    """Whether the router would load by itself or not."""
    async with router(autoload=autoload) as (fake, backend):
        echo = await named(backend)
        fake.may_load.clear()
        asked = [asyncio.create_task(backend.answer(ask_chat(), echo)) for _ in range(50)]
        await fake.until(lambda: fake.loads["echo"] > 0)
        fake.may_load.set()
        answers = await asyncio.gather(*asked)
    assert (50, 1, 1) == (len(answers), fake.loads["echo"], fake.wishes["echo"])


async def test_seconds_of_a_load_are_remembered() -> None:
    """As far as one was seen."""
    async with router() as (_, backend):
        took_s = await backend.load("echo")
        assert (took_s, 0.0) == ((await named(backend)).traits.load_s, await backend.load("echo"))


async def test_who_stops_waiting_does_not_stop_the_load() -> None:
    """A client that leaves takes nothing from those who still wait."""
    async with router() as (fake, backend):
        echo = await named(backend)
        fake.may_load.clear()
        first, second = (asyncio.create_task(backend.answer(ask_chat(), echo)) for _ in range(2))
        await fake.until(lambda: fake.loads["echo"] > 0)
        first.cancel()
        fake.may_load.set()
        assert (await second).data
    assert 1 == fake.loads["echo"]


async def test_a_load_that_others_began_is_waited_for() -> None:
    """The router refuses to load what is loading."""
    async with router() as (fake, backend):
        echo = await named(backend)
        fake.may_load.clear()
        other = LlamaServer("other", fake.url)
        mine = asyncio.create_task(other.load("echo"))
        await fake.until(lambda: fake.loads["echo"] > 0)
        theirs = asyncio.create_task(backend.answer(ask_chat(), echo))
        fake.may_load.set()
        assert (await theirs).data
        await mine
        await other.close()
    assert 1 == fake.loads["echo"]


async def test_a_load_that_fails_says_so() -> None:
    """Others may have the model; the list keeps the exit code."""
    async with router() as (_, backend):
        broken = await named(backend, "broken")
        with pytest.raises(BackendError, match="broken could not be loaded: its process ended with 1") as caught:
            await backend.answer(ask_chat(), broken)
        assert caught.value.retryable
        assert ("its last load failed: its process ended with 1",) == (await named(backend, "broken")).traits.warnings


async def test_a_load_takes_no_longer_than_the_request() -> None:
    """The load goes on for the next."""
    async with router() as (fake, backend):
        echo = await named(backend)
        fake.may_load.clear()
        with pytest.raises(DeadlineError, match="was not loaded within"):
            await backend.answer(ask_chat(timeout_s=0.05), echo)


async def test_a_larger_context_than_it_was_started_with_cannot_be_had() -> None:
    """What each model gets is written where the router is started."""
    async with router() as (_, backend):
        await backend.load("echo", context=CONTEXT)
        with pytest.raises(CapacityError, match=f"context of {CONTEXT} tokens"):
            await backend.load("echo", context=CONTEXT + 1)


async def test_it_lets_go() -> None:
    """And to let go of what is not in memory is no error."""
    async with router() as (fake, backend):
        await backend.load("echo")
        await backend.unload("echo")
        await backend.unload("echo")
        assert "unloaded" == fake.status["echo"]["value"]


@pytest.mark.parametrize("order", ["load", "unload"])
async def test_a_model_that_it_lacks_cannot_be_ordered(order: str) -> None:
    """Nobody else could either: somebody named just this backend."""
    async with router() as (_, backend):
        with pytest.raises(NotFoundError, match="no model gone"):
            await getattr(backend, order)("gone")


async def test_what_the_router_let_go_of_is_loaded_again() -> None:
    """It takes the least recently used one away without a word."""
    async with router(autoload=False, models_max=1) as (fake, backend):
        echo = await named(backend)
        await backend.answer(ask_chat(), echo)
        fake.status["echo"]["value"] = "unloaded"
        with pytest.raises(BackendError, match="model is not loaded") as caught:
            await backend.answer(ask_chat(), echo)
        assert caught.value.retryable
        assert (await backend.answer(ask_chat(), echo)).data
    assert 2 == fake.loads["echo"]


async def test_while_it_loads_its_one_model_it_says_when_to_come_again() -> None:
    """That is no failure, and no sign of too many requests."""
    async with router() as (fake, backend):
        echo = await named(backend)
        backend._running.add("echo")
        fake.is_starting = True
        with pytest.raises(CapacityError, match="Loading model") as caught:
            await backend.answer(ask_chat(), echo)
        assert (2.0, True, None) == (
            caught.value.retry_after_s,
            caught.value.retryable,
            caught.value.details.get("status"),
        )


async def test_while_it_loads_it_is_not_well() -> None:
    """In its own words."""
    async with router() as (fake, backend):
        fake.is_starting = True
        health = await backend.health()
    assert (False, "router: Loading model") == (health.ok, health.detail)


async def test_health_names_what_it_is() -> None:
    """Router and build, once they are known."""
    async with router() as (_, backend):
        await backend.deployments()
        assert "llama-server router b8000-fake" == (await backend.health()).detail


async def test_what_does_not_fit_is_told_with_advice() -> None:
    """The same error as everywhere, never tried elsewhere."""
    async with router() as (_, backend):
        echo = await named(backend)
        with pytest.raises(SchemaError, match="exceeds the available context size") as caught:
            await backend.answer(ask_chat("word " * (CONTEXT + 1)), echo)
    assert "ask for less, or choose a model with a larger context" == caught.value.hint


@pytest.mark.parametrize(
    "message", ["input is too large to process. increase the physical batch size", "image input is not supported"]
)
async def test_a_request_that_it_cannot_take_is_not_its_failure(message: str) -> None:
    """It says so with a 500, which would open breakers."""
    async with refusing(500, message) as backend:
        with pytest.raises(SchemaError, match="it: i"):
            await backend.answer(ask_chat(), Deployment("it", "one", "one", frozenset()))


async def test_configured_names_may_be_aliases() -> None:
    """A name that it does not list is still offered."""
    async with FakeLlamaRouter() as fake:
        backend = LlamaServer("router", fake.url, models=("echo-alias", "later"))
        listed = await backend.deployments()
        await backend.close()
    assert [("echo-alias", "echo"), ("later", "later")] == [(each.model, each.upstream) for each in listed]


async def test_a_key_is_needed_for_all_but_health() -> None:
    """As llama-server has it."""
    async with FakeLlamaRouter(api_key="secret") as fake:
        backend = LlamaServer("router", fake.url)
        assert (await backend.health()).ok
        with pytest.raises(BackendError, match="Invalid API Key"):
            await backend.deployments()
        await backend.close()


async def test_connections_are_not_kept() -> None:
    """It holds a thread for each."""
    async with router() as (fake, backend):
        echo = await named(backend)
        for _ in range(3):
            await backend.answer(ask_chat(), echo)
        assert 3 == fake.connections


@asynccontextmanager
async def refusing(status: int, message: str) -> AsyncIterator[LlamaServer]:
    """A llama-server that answers everything with this error."""

    async def respond(_request: web.Request) -> web.Response:
        return web.json_response({"error": {"code": status, "message": message, "type": "server_error"}}, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", respond)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    backend = LlamaServer("it", f"http://127.0.0.1:{runner.addresses[0][1]}")
    yield backend
    await backend.close()
    await runner.cleanup()


async def test_a_few_models_are_asked_about_at_a_time() -> None:
    """A list may name hundreds, and each question holds a thread there."""

    class Counting(FakeLlamaRouter):
        asking = most = 0

        async def _props(self, request: web.Request) -> web.Response:
            self.asking += 1
            self.most = max(self.most, self.asking)
            for _ in range(20):
                await asyncio.sleep(0)
            self.asking -= 1
            return await super()._props(request)

    async with Counting() as fake:
        fake.models = tuple(f"m{number}" for number in range(40))
        fake.status = {model: {"value": "loaded", "args": []} for model in fake.models}
        backend = LlamaServer("router", fake.url)
        listed = await backend.deployments()
        await backend.close()
    assert (40, {CONTEXT}) == (len(listed), {each.context for each in listed})
    assert 1 <= fake.most <= 4
