import asyncio
from collections.abc import AsyncIterator

import pytest

from roundhouse.backends.kinds.ollama.backend import Ollama
from roundhouse.core.errors import BackendError, CapacityError, ConflictError, NotFoundError, SchemaError
from roundhouse.core.runtimes import PullStep
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.ollama import FakeOllama, Fault


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    """An Ollama with a chatter and an embedder."""
    async with FakeOllama() as it:
        yield it


@pytest.fixture
async def ollama(fake: FakeOllama) -> AsyncIterator[Ollama]:
    """The backend that speaks to it."""
    backend = Ollama.at("desk", fake.url, FakeClock())
    await backend.deployments()
    yield backend
    await backend.close()


async def test_fifty_at_once_are_one_load(fake: FakeOllama, ollama: Ollama) -> None:
    """All wait for the same."""
    fake.may_load.clear()
    loads = [asyncio.ensure_future(ollama.load("echo:latest")) for _ in range(50)]
    await asyncio.sleep(0)
    fake.may_load.set()
    seconds = await asyncio.gather(*loads)
    assert (1, [1.5], 1) == (
        fake.loads["echo:latest"],
        [each for each in seconds if each],
        len(fake.bodies("/api/generate")),
    )


async def test_a_load_says_context_and_time(fake: FakeOllama, ollama: Ollama) -> None:
    """An empty generate, with both."""
    await ollama.load("echo:latest", context=10_000, keep_s=60)
    body = fake.bodies("/api/generate")[0]
    assert ({"num_ctx": 10_000}, 60, False) == (body["options"], body["keep_alive"], "prompt" in body)


async def test_an_embedder_is_loaded_by_an_empty_embed(fake: FakeOllama, ollama: Ollama) -> None:
    """It refuses to generate."""
    await ollama.load("embed:latest")
    assert ([[]], 1) == ([body["input"] for body in fake.bodies("/api/embed")], fake.loads["embed:latest"])


async def test_a_context_that_it_cannot_have_is_refused(ollama: Ollama) -> None:
    """Ollama would take less without a word."""
    with pytest.raises(SchemaError, match="131072"):
        await ollama.load("echo:latest", context=200_000)


async def test_no_room_is_told_as_such(fake: FakeOllama, ollama: Ollama) -> None:
    """With what to do about it."""
    fake.plan(Fault.NO_MEMORY)
    with pytest.raises(CapacityError) as caught:
        await ollama.load("echo:latest")
    assert ("unload another model first", 1) == (caught.value.hint, fake.fired[Fault.NO_MEMORY])


async def test_unloading_takes_it_out_of_memory(fake: FakeOllama, ollama: Ollama) -> None:
    """And is no error for what is not in it."""
    await ollama.load("echo:latest")
    await ollama.unload("echo:latest")
    await ollama.unload("echo:latest")
    assert {} == fake.running


async def test_what_goes_on_answering_is_in_use(fake: FakeOllama) -> None:
    """Ollama lets go of it when it is done, without being told again."""
    clock = FakeClock()
    ollama = Ollama.at("desk", fake.url, clock)
    chatter = next(each for each in await ollama.deployments() if each.model == "echo:latest")
    go_on, chunks = fake.pause(), ollama.stream(ask_chat("a b c", stream=True), chatter)
    await anext(chunks)
    unloading = asyncio.ensure_future(ollama.unload("echo:latest"))
    async with asyncio.timeout(5):
        while not unloading.done():
            clock.advance(1.0)
            await asyncio.sleep(0)
    with pytest.raises(ConflictError, match="in use"):
        await unloading
    assert {"echo:latest"} == fake.leaving
    go_on()
    assert [True] == [chunk.final async for chunk in chunks if chunk.final]
    assert {} == fake.running
    await ollama.close()


async def test_what_is_not_there_cannot_be_loaded_or_let_go(ollama: Ollama) -> None:
    """Nor deleted, nor copied."""
    for act in (ollama.load, ollama.unload, ollama.delete, lambda name: ollama.copy(name, "other")):
        with pytest.raises(NotFoundError):
            await act("nobody")


async def test_a_pull_counts_all_files_together(fake: FakeOllama, ollama: Ollama) -> None:
    """Each line counts one file for itself, and leaves out zero."""
    steps = [step async for step in ollama.pull("new:latest")]
    assert [(None, None), (0, 100), (100, 100), (100, 120), (120, 120)] == [(s.done, s.total) for s in steps[:5]]
    assert (PullStep("success", 120, 120), True) == (steps[-1], "new:latest" in fake.models)


async def test_a_pull_that_ends_early_failed(fake: FakeOllama, ollama: Ollama) -> None:
    """Only the word at the end is success."""
    fake.plan(Fault.NO_DONE)
    with pytest.raises(BackendError, match="before it was done"):
        [step async for step in ollama.pull("new:latest")]
    assert 1 == fake.fired[Fault.NO_DONE]


async def test_a_pull_of_what_does_not_exist_is_told(ollama: Ollama) -> None:
    """Ollama says it in a line under HTTP 200."""
    with pytest.raises(NotFoundError, match="desk: pull model manifest"):
        [step async for step in ollama.pull("missing:latest")]


async def test_deleting_takes_it_out_of_memory_first(fake: FakeOllama, ollama: Ollama) -> None:
    """Ollama itself would delete what it is serving."""
    await ollama.load("echo:latest")
    await ollama.delete("echo:latest")
    assert (["embed:latest"], {}) == (list(fake.models), fake.running)


async def test_a_copy_is_a_second_name(fake: FakeOllama, ollama: Ollama) -> None:
    """Without touching the first."""
    await ollama.copy("echo:latest", "second")
    assert {"echo:latest", "embed:latest", "second:latest"} == fake.models.keys()


async def test_a_copy_replaces_nothing(ollama: Ollama) -> None:
    """Ollama itself would, without a word."""
    with pytest.raises(ConflictError):
        await ollama.copy("echo:latest", "embed")
