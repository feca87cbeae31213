"""The embedded runtime with real children."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.backends.llamacpp.loadable import LoadableModel, RuntimeLimits
from roundhouse.backends.llamacpp.shape import shape_of
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.core.errors import BackendError, CapacityError, ConflictError, DeadlineError, RoundhouseError
from roundhouse.core.events import ArtifactRemoved
from roundhouse.core.inference import Deployment, Residency
from roundhouse.library.gguf import read_outline
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.runtime import LIMITS, NOISE, NOISE_FILE, Runtime, children, noise_called

pytestmark = pytest.mark.slow

Start = Callable[..., Runtime]
ENVIRON = {**os.environ, "HF_TOKEN": "hf_secret", "MY_API_KEY": "secret"}  # noqa: TID251 - scrubbed on the way
FOR_ONE = replace(LIMITS, memory=NOISE.size * 2, room_s=0.2)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Make a runtime; its children are gone afterwards."""
    async with AsyncExitStack() as stack:

        def make(*models: LoadableModel, limits: RuntimeLimits = LIMITS) -> Runtime:
            runtime = Runtime(ENVIRON, *models, limits=limits)
            stack.push_async_callback(runtime.backend.close)
            return runtime

        yield make
    assert [] == children()


async def talk(runtime: Runtime, model: str = "noise") -> None:
    """Ask *model* something and wait for the answer."""
    assert (await runtime.backend.answer(ask_chat(), await runtime.deployment(model))).usage is not None


async def test_fifty_first_requests_share_one_load(start: Start) -> None:
    """Whoever comes while the model loads waits for the same child."""
    runtime = start()
    await asyncio.gather(*[talk(runtime) for _ in range(50)])
    assert ([("noise", True)], 1) == (runtime.changes, len(children()))


async def test_residency_is_told(start: Start) -> None:
    """Cold before the first request, loaded after it."""
    runtime = start()
    before = (await runtime.deployment()).residency
    await talk(runtime)
    assert (Residency.COLD, Residency.LOADED) == (before, (await runtime.deployment()).residency)


async def test_what_is_in_use_is_told(start: Start) -> None:
    """From the moment that somebody asks, while it loads as well as when it is in memory."""
    runtime = start()
    before = list(runtime.backend.in_use())
    asking = asyncio.create_task(talk(runtime))
    async with asyncio.timeout(5):
        while not runtime.backend.in_use():  # noqa: ASYNC110 - one step of the other task at a time
            await asyncio.sleep(0)
    during = list(runtime.backend.in_use())
    await asking
    assert ([], ["noise"], ["noise"]) == (before, during, list(runtime.backend.in_use()))


async def test_an_idle_model_is_unloaded_and_comes_back(start: Start) -> None:
    """Memory that nobody uses is given back, until somebody asks again."""
    runtime = start(limits=replace(LIMITS, idle_s=0.05))
    for _ in range(2):
        await talk(runtime)
        assert [("noise", True), ("noise", False)] == [await runtime.change(), await runtime.change()]
    assert [] == children()


async def test_a_model_in_use_is_not_idle(start: Start) -> None:
    """However long its answer takes."""
    runtime = start(limits=replace(LIMITS, idle_s=0.0))
    async with aclosing(
        runtime.backend.stream(ask_chat(stream=True, max_tokens=400), await runtime.deployment())
    ) as it:
        async for _ in it:
            assert 1 == len(children())
    assert [("noise", True), ("noise", False)] == [await runtime.change(), await runtime.change()]


async def test_the_least_recently_used_makes_room(start: Start) -> None:
    """Two fit, the third needs one of them to go."""
    runtime = start(*map(noise_called, "abc"), limits=replace(LIMITS, memory=NOISE.size * 3))
    for model in "abac":
        await talk(runtime, model)
    assert [("a", True), ("b", True), ("b", False), ("c", True)] == runtime.changes


async def test_a_model_that_serves_is_never_sent_away(start: Start) -> None:
    """The other one is told that there is no room."""
    runtime = start(*map(noise_called, "ab"), limits=FOR_ONE)
    async with aclosing(runtime.backend.stream(ask_chat(stream=True), await runtime.deployment("a"))) as chunks:
        await anext(chunks)
        with pytest.raises(CapacityError, match="serving"):
            await talk(runtime, "b")
    assert [("a", True)] == runtime.changes


async def test_a_model_waits_for_room(start: Start) -> None:
    """When the one that serves is through, the other one gets its place."""
    runtime = start(*map(noise_called, "ab"), limits=replace(FOR_ONE, room_s=30.0))
    async with aclosing(runtime.backend.stream(ask_chat(stream=True), await runtime.deployment("a"))) as chunks:
        await anext(chunks)
        waiting = asyncio.create_task(talk(runtime, "b"))
    await waiting
    assert [("a", True), ("a", False), ("b", True)] == runtime.changes


async def test_a_model_that_can_never_fit_is_refused(start: Start) -> None:
    """With the numbers, and what to change."""
    runtime = start(limits=replace(LIMITS, memory=NOISE.size))
    with pytest.raises(CapacityError, match="noise needs about"):
        await talk(runtime)


@pytest.mark.parametrize(
    "damage",
    [
        lambda _content: b"no model at all",
        lambda content: content[:100_000],
        lambda content: content.replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0lIama", 1),
    ],
)
async def test_a_broken_file_is_a_clear_error(start: Start, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """It names the model and not where it lies, and after a few tries it is left alone."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(damage(NOISE_FILE.read_bytes()))
    runtime = start(replace(NOISE, path=broken))
    for _ in range(2):
        with pytest.raises(BackendError, match="noise") as caught:
            await talk(runtime)
        assert str(tmp_path) not in caught.value.message
    with pytest.raises(BackendError, match="left alone") as caught:
        await talk(runtime)
    assert caught.value.retry_after_s


async def test_a_child_sees_no_secrets(start: Start) -> None:
    """Native code runs without keys in its environment."""
    runtime = start()
    await talk(runtime)
    seen = children()[0].environ()
    assert {"HF_TOKEN", "MY_API_KEY"}.isdisjoint(seen)
    assert "secret" not in " ".join(seen.values())


async def test_a_model_that_left_the_library_leaves_memory(start: Start) -> None:
    """Its file is gone, so it must not be served any more."""
    runtime = start()
    await talk(runtime)
    deployment = await runtime.deployment()
    runtime.models = (noise_called("other"),)
    runtime.events.publish(ArtifactRemoved("noise"))
    assert [("noise", True), ("noise", False)] == [await runtime.change(), await runtime.change()]
    with pytest.raises(BackendError, match="not in the library"):
        await runtime.backend.answer(ask_chat(), deployment)


async def test_a_model_that_is_replaced_while_it_serves_finishes_first(start: Start) -> None:
    """The running answer comes from the old file, the next one from the new."""
    runtime = start()
    async with aclosing(runtime.backend.stream(ask_chat(stream=True), await runtime.deployment())) as chunks:
        await anext(chunks)
        runtime.events.publish(ArtifactRemoved("noise"))
        await talk(runtime)
        assert 2 == len(children())
        assert [True] == [chunk.final async for chunk in chunks if chunk.final]
    assert [("noise", True)] * 2 + [("noise", False)] == [await runtime.change() for _ in range(3)]
    assert 1 == len(children())


async def test_giving_up_waiting_does_not_stop_the_load(start: Start) -> None:
    """The next request finds the model loaded."""
    runtime = start()
    with pytest.raises(DeadlineError, match="not loaded within"):
        await runtime.backend.answer(ask_chat(timeout_s=0.01), await runtime.deployment())
    assert ("noise", True) == await runtime.change()


async def test_closing_while_a_model_loads_leaves_nothing_behind(start: Start) -> None:
    """Shutdown does not wait for a load."""
    runtime = start()
    waiting = asyncio.create_task(talk(runtime))
    await asyncio.sleep(0)
    await runtime.backend.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [] == children()


async def test_health_tells_how_full_it_is(start: Start) -> None:
    """In words for people."""
    runtime = start()
    await talk(runtime)
    health = await runtime.backend.health()
    assert (True, True) == (health.ok, "loaded: 1 of 1" in health.detail)


async def test_a_stranger_on_this_machine_needs_the_childs_key(start: Start) -> None:
    """The port is open to every user of the machine, the model is not."""
    runtime = start()
    await talk(runtime)
    port = children()[0].net_connections()[0].laddr.port
    other = OpenAICompatible("stranger", f"http://127.0.0.1:{port}", api_key="guess")
    with pytest.raises(BackendError, match="key is refused"):
        await other.answer(ask_chat(), Deployment("stranger", "noise", "noise", frozenset()))
    await other.close()


async def test_a_pinned_model_is_loaded_without_being_asked_for(start: Start) -> None:
    """As soon as somebody asks what there is, which the start does."""
    runtime = start(limits=replace(LIMITS, pinned=("noise",), idle_s=0.0))
    await runtime.deployment()
    assert ("noise", True) == await runtime.change()
    await talk(runtime)
    assert Residency.LOADED == (await runtime.deployment()).residency


async def test_a_pinned_model_makes_room_for_nobody(start: Start) -> None:
    """Others are told at once, and who is in their way."""
    runtime = start(*map(noise_called, "ab"), limits=replace(FOR_ONE, pinned=("a",), room_s=600.0))
    await runtime.deployment("a")
    assert ("a", True) == await runtime.change()
    with pytest.raises(CapacityError, match="pinned"):
        await talk(runtime, "b")
    with pytest.raises(ConflictError, match="pinned"):
        await runtime.backend.unload("a")
    assert [("a", True)] == runtime.changes


async def test_a_pinned_model_that_was_replaced_gives_way_to_the_new_one(start: Start) -> None:
    """There is one of it in the end."""
    runtime = start(limits=replace(LIMITS, pinned=("noise",)))
    await runtime.deployment()
    assert ("noise", True) == await runtime.change()
    runtime.events.publish(ArtifactRemoved("noise"))
    assert ("noise", False) == await runtime.change()
    await runtime.deployment()
    assert ("noise", True) == await runtime.change()
    assert 1 == len(children())


async def test_a_pinned_model_that_cannot_be_loaded_breaks_nothing(start: Start, tmp_path: Path) -> None:
    """The others are served."""
    (tmp_path / "broken.gguf").write_bytes(b"no model at all")
    broken = replace(noise_called("broken"), path=tmp_path / "broken.gguf")
    runtime = start(broken, NOISE, limits=replace(LIMITS, pinned=("broken", "gone")))
    await runtime.deployment()
    await talk(runtime)
    assert [("noise", True)] == runtime.changes


async def test_a_long_answer_is_not_cut_for_those_who_want_its_room(start: Start) -> None:
    """Several others wait, some give up, and the stream comes to its own end."""
    limits = replace(FOR_ONE, room_s=30.0, context=4096)
    runtime = start(*map(noise_called, "abc"), limits=replace(limits, memory=limits.fit(NOISE).need.total))
    request = ask_chat(stream=True, max_tokens=1500)
    async with aclosing(runtime.backend.stream(request, await runtime.deployment("a"))) as chunks:
        await anext(chunks)
        waiting = [asyncio.create_task(talk(runtime, model)) for model in "bcb"]
        finals = [chunk.final async for chunk in chunks]
    assert 1 == finals.count(True)
    await asyncio.gather(*waiting)
    assert ("a", False) == runtime.changes[1]
    assert {("b", True), ("c", True)} <= {*runtime.changes[2:]}


async def test_less_context_is_served_where_there_is_no_room_for_more(start: Start) -> None:
    """It is told before and after, and a prompt that needs more is refused, not cut."""
    limits = replace(LIMITS, context=4096)
    model = replace(NOISE, shape=shape_of(read_outline(NOISE_FILE)))
    small = replace(limits, memory=replace(limits, context=2048).fit(model).need.total)
    runtime = start(model, limits=small)
    deployment = await runtime.deployment()
    assert 2048 == deployment.context
    assert "2,048 tokens each instead of 4,096" in deployment.traits.warnings[0]
    assert deployment.traits.memory == small.memory
    with pytest.raises(RoundhouseError, match="context"):
        await runtime.backend.answer(ask_chat("wheel " * 3000), deployment)


async def test_what_loading_took_is_told(start: Start) -> None:
    """With the slots; nothing is made up before it was seen."""
    runtime = start()
    before = (await runtime.deployment()).traits
    await talk(runtime)
    after = (await runtime.deployment()).traits
    assert (None, 4) == (before.load_s, before.slots)
    assert after.load_s is not None
    assert after.load_s > 0


@pytest.mark.parametrize("cache_type", ["q8_0", "q4_0"])
async def test_contexts_can_be_kept_in_fewer_bits(start: Start, cache_type: str) -> None:
    """The model still answers, also when its heads are too small for that."""
    model = replace(NOISE, shape=shape_of(read_outline(NOISE_FILE)))
    runtime = start(model, limits=replace(LIMITS, cache_type=cache_type))
    await talk(runtime)


async def test_any_number_of_slots_can_be_loaded(start: Start) -> None:
    """Also those that do not divide llama.cpp's batch."""
    runtime = start(limits=replace(LIMITS, parallel=3))
    await talk(runtime)
    assert 3 == (await runtime.deployment()).traits.slots
