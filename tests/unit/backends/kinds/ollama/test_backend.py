"""Each quirk of Ollama, against the fake that has them."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from roundhouse.backends.kinds.ollama.backend import Ollama
from roundhouse.backends.kinds.ollama.config import Policy
from roundhouse.backends.kinds.ollama.facts import Limits
from roundhouse.core.errors import BackendError, ConfigError, LimitError, NetworkError, SchemaError
from roundhouse.core.events import Events
from roundhouse.core.inference import Answer, CacheUse, Deployment, Operation, Residency
from roundhouse.core.runtimes import Wish, Workshop
from roundhouse.testing.asking import ask, ask_chat, ask_embedding
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.ollama import FakeOllama, Fault
from roundhouse.testing.ollama_shapes import CHATTER, Model

WORKSHOP = Workshop(Events(), FakeClock(), {}, Path())
OFF, REFRESH = CacheUse.OFF, CacheUse.REFRESH
LONG = " ".join(["word"] * 6000)


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


async def of(backend: Ollama, model: str = "echo:latest") -> Deployment:
    """The deployment of one model, as it is now."""
    return {each.model: each for each in await backend.deployments()}[model]


async def chat(backend: Ollama, text: str = "hello there", **fields: Any) -> Answer:
    """One answer."""
    return await backend.answer(ask_chat(text, **fields), await of(backend))


async def test_small_requests_never_reload(fake: FakeOllama, ollama: Ollama) -> None:
    """The context stays the same from request to request."""
    for words in (1, 100, 900):
        await chat(ollama, "word " * words)
    assert (1, {4096}) == (fake.loads["echo:latest"], {b["options"]["num_ctx"] for b in fake.bodies("/api/chat")})


@pytest.mark.parametrize("status", [400, 500])
async def test_a_longer_prompt_gets_a_larger_context(fake: FakeOllama, ollama: Ollama, status: int) -> None:
    """Also when its length was underestimated: Ollama refuses, and the next step is tried."""
    fake.overflow_status = status
    await chat(ollama, LONG)
    await chat(ollama)
    assert [4096, 8192, 8192] == [body["options"]["num_ctx"] for body in fake.bodies("/api/chat")]
    assert 0 == fake.cut


async def test_a_longer_stream_does_too(fake: FakeOllama, ollama: Ollama) -> None:
    """The refusal comes before the first word."""
    chunks = [chunk async for chunk in ollama.stream(ask_chat(LONG, stream=True), await of(ollama))]
    assert (True, 2) == (chunks[-1].usage is not None, len(fake.bodies("/api/chat")))


async def test_what_is_loaded_by_others_is_used_as_it_is(fake: FakeOllama, ollama: Ollama) -> None:
    """Somebody who loaded it with more keeps it, and nobody waits for a reload."""
    await ollama.load("echo:latest", context=20_000)
    other = Ollama.at("other", fake.url, FakeClock())
    await chat(other)
    await other.close()
    assert (1, 20_000) == (fake.loads["echo:latest"], fake.running["echo:latest"].context)


async def test_what_can_never_fit_is_refused_here(fake: FakeOllama, ollama: Ollama) -> None:
    """With numbers, and without asking Ollama."""
    with pytest.raises(SchemaError, match="131072"):
        await chat(ollama, max_tokens=200_000)
    assert [] == fake.bodies("/api/chat")


async def test_the_context_that_is_told_is_the_one_that_can_be_had() -> None:
    """Not the maximum, where somebody allows less."""
    async with FakeOllama() as fake:
        backend = Ollama.at("desk", fake.url, FakeClock(), policy=Policy(limits=Limits(largest=16_384)))
        deployment = await of(backend)
        await backend.close()
    assert (16_384, 131_072) == (deployment.context, deployment.traits.context_max)


async def test_cold_and_loaded_are_told_apart(ollama: Ollama) -> None:
    """From what is in memory, with the seconds that it took."""
    before = await of(ollama)
    await chat(ollama)
    after = await of(ollama)
    assert (Residency.COLD, Residency.LOADED, 1.5) == (before.residency, after.residency, after.traits.load_s)


async def test_weights_on_the_cpu_are_told() -> None:
    """As a warning with the share."""
    async with FakeOllama(Model("half:latest", gpu_percent=50)) as fake:
        backend = Ollama.at("desk", fake.url, FakeClock())
        await backend.load("half:latest")
        deployment = await of(backend, "half:latest")
        await backend.close()
    assert ["50 %"] == [warning[:4] for warning in deployment.traits.warnings]


async def test_the_cloud_is_not_this_machine() -> None:
    """Models that leave it are listed only if somebody names them, and then say so."""
    stub = Model("big:cloud", remote_host="https://ollama.test")
    async with FakeOllama(CHATTER, stub) as fake:
        usual, named = (Ollama.at("desk", fake.url, FakeClock(), policy=Policy(cloud=cloud)) for cloud in (False, True))
        listed = [[each.model, each.local] for each in await usual.deployments()]
        wanted = [[each.model, each.local] for each in await named.deployments()]
        await usual.close()
        await named.close()
    assert ([["echo:latest", True]], ["big:cloud", False]) == (listed, wanted[1])


async def test_offline_there_is_no_cloud() -> None:
    """Whoever names it, and also while Ollama cannot be asked."""
    workshop = Workshop(Events(), FakeClock(), {}, Path(), offline=True)
    wish = Wish("desk", "ollama", "http://127.0.0.1:9", models=["big:cloud", "echo"])
    async with FakeOllama(CHATTER, Model("big:cloud", remote_host="https://ollama.test")) as fake:
        backends = [Ollama.made(each, workshop) for each in (wish, replace(wish, url=fake.url))]
        listed = [[each.model for each in await backend.deployments()] for backend in backends]
        for backend in backends:
            await backend.close()
    assert [["echo"], ["echo"]] == listed


async def test_an_error_under_200_is_an_error(fake: FakeOllama, ollama: Ollama) -> None:
    """After the words that came before it."""
    fake.plan(Fault.ERROR_IN_STREAM)
    stream = ollama.stream(ask_chat(stream=True), await of(ollama))
    first = await anext(stream)
    with pytest.raises(BackendError, match="desk: llama runner"):
        await anext(stream)
    assert (True, 1) == (first.visible, fake.fired[Fault.ERROR_IN_STREAM])


@pytest.mark.parametrize(("fault", "kind"), [(Fault.NO_DONE, BackendError), (Fault.CUT_IN_TEXT, NetworkError)])
async def test_a_cut_stream_is_an_error(fake: FakeOllama, ollama: Ollama, fault: Fault, kind: type[Exception]) -> None:
    """Also when the connection ends as if all were well."""
    fake.plan(fault)
    with pytest.raises(kind):
        [chunk async for chunk in ollama.stream(ask_chat(stream=True), await of(ollama))]
    assert 1 == fake.fired[fault]


async def test_a_full_queue_is_a_limit(fake: FakeOllama, ollama: Ollama) -> None:
    """To be left alone for a moment, which is no failure."""
    fake.plan(Fault.BUSY)
    with pytest.raises(LimitError) as caught:
        await chat(ollama)
    assert (1.0, 1) == (caught.value.retry_after_s, fake.fired[Fault.BUSY])


async def test_tool_calls_come_with_ids(ollama: Ollama) -> None:
    """The fake, like older versions, gives none; arguments are text."""
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
    answer = json.loads((await chat(ollama, tools=tools)).data)["choices"][0]
    call = answer["message"]["tool_calls"][0]
    assert ("call_request_0", "add", {"a": 1}, "tool_calls") == (
        call["id"],
        call["function"]["name"],
        json.loads(call["function"]["arguments"]),
        answer["finish_reason"],
    )


async def test_thinking_is_asked_of_those_that_can() -> None:
    """Ollama refuses the question for all others."""
    async with FakeOllama(CHATTER, Model("deep:latest", ("completion", "thinking"))) as fake:
        backend = Ollama.at("desk", fake.url, FakeClock())
        deep = await backend.answer(ask_chat(reasoning_effort="high"), await of(backend, "deep:latest"))
        plain = await backend.answer(ask_chat(reasoning_effort="high"), await of(backend))
        await backend.close()
    thoughts = [json.loads(each.data)["choices"][0]["message"].get("reasoning_content") for each in (deep, plain)]
    assert ["hm", None] == thoughts


async def test_the_time_in_memory_is_said_with_each_request() -> None:
    """If somebody set it; else Ollama's own settings count."""
    async with FakeOllama() as fake:
        backend = Ollama.at("desk", fake.url, FakeClock(), policy=Policy(keep_alive="30m"))
        await chat(backend)
        await backend.answer(ask_embedding("a"), await of(backend, "embed:latest"))
        await backend.close()
        sent = [body["keep_alive"] for path in ("/api/chat", "/api/embed") for body in fake.bodies(path)]
    assert ["30m", "30m"] == sent


@pytest.mark.parametrize(
    ("prompt", "answer", "expected"),
    [(8, 100, False), (3000, 2000, True), (3000, None, True), (200_000, None, False)],
)
async def test_a_reload_is_known_before_it_happens(
    ollama: Ollama, prompt: int, answer: int | None, *, expected: bool
) -> None:
    """For another context than the one in memory; not for what is cold, refused, or asked in batches."""
    request = ask_chat()
    request = replace(request, profile=replace(request.profile, prompt_tokens=prompt, max_tokens=answer))
    assert not ollama.reloads(request, await of(ollama))
    await chat(ollama)
    deployment = await of(ollama)
    assert expected == ollama.reloads(request, deployment)
    embedding = replace(request, profile=replace(request.profile, operation=Operation.EMBEDDING))
    assert not ollama.reloads(embedding, deployment)


async def test_embeddings_of_one_moment_are_one_call(fake: FakeOllama, ollama: Ollama) -> None:
    """Each is told its own tokens."""
    deployment = await of(ollama, "embed:latest")
    texts = ["a b c", "d", "e f"]
    answers = await asyncio.gather(*[ollama.answer(ask_embedding(text), deployment) for text in texts])
    assert [texts] == [body["input"] for body in fake.bodies("/api/embed")]
    assert 6 == sum(answer.usage.prompt for answer in answers if answer.usage)


async def test_known_embeddings_cost_no_call(fake: FakeOllama, ollama: Ollama) -> None:
    """And say that they were known."""
    deployment = await of(ollama, "embed:latest")
    first = await ollama.answer(ask_embedding("a b"), deployment)
    second = await ollama.answer(ask_embedding("a b"), deployment)
    assert (1, [0, 2]) == (
        len(fake.bodies("/api/embed")),
        [each.usage.cached for each in (first, second) if each.usage],
    )
    assert json.loads(first.data)["data"] == json.loads(second.data)["data"]


async def test_known_embeddings_are_told_to_no_other_tenant(fake: FakeOllama, ollama: Ollama) -> None:
    """Nor taken by whoever wants a new one."""
    deployment, request = await of(ollama, "embed:latest"), replace(ask_embedding("a b"), principal="alice")
    others = [replace(request, principal="bob"), *(replace(request, cache=use) for use in (REFRESH, OFF))]
    answers = [await ollama.answer(each, deployment) for each in (request, *others)]
    assert (4, [0] * 4) == (len(fake.bodies("/api/embed")), [each.usage.cached for each in answers if each.usage])


async def test_where_nothing_is_kept_embeddings_are_computed_again(fake: FakeOllama) -> None:
    """``cache.enabled = false`` is for all of them."""
    backend = Ollama.made(Wish("desk", "ollama", fake.url), replace(WORKSHOP, keeps=False))
    deployment = await of(backend, "embed:latest")
    for _ in range(2):
        await backend.answer(ask_embedding("a"), deployment)
    await backend.close()
    assert 2 == len(fake.bodies("/api/embed"))


async def test_an_embedder_is_loaded_once_for_all_lengths(fake: FakeOllama, ollama: Ollama) -> None:
    """A longer text gets a larger context, a shorter one keeps it; nothing is cut."""
    deployment = await of(ollama, "embed:latest")
    for text in ("short", "word " * 5000, "short again"):
        await ollama.answer(ask_embedding(text), deployment)
    assert [4096, 8192, 8192] == [body["options"]["num_ctx"] for body in fake.bodies("/api/embed")]


async def test_a_text_too_long_to_embed_is_refused(ollama: Ollama) -> None:
    """By Ollama, which counts exactly."""
    with pytest.raises(SchemaError, match="exceeds"):
        await ollama.answer(ask_embedding("word " * 9000), await of(ollama, "embed:latest"))


async def test_models_are_asked_about_once(fake: FakeOllama, ollama: Ollama) -> None:
    """Until their digest changes."""
    await ollama.deployments()
    assert 2 == len(fake.bodies("/api/show"))


async def test_a_short_name_is_the_latest() -> None:
    """As everywhere in Ollama."""
    async with FakeOllama() as fake:
        backend = Ollama.made(Wish("desk", "ollama", f"{fake.url}/v1", models=["echo"]), WORKSHOP)
        deployments = await backend.deployments()
        await backend.close()
    assert [("echo", "echo:latest")] == [(each.model, each.upstream) for each in deployments]


async def test_no_models_at_all_are_null() -> None:
    """Go writes an empty list like that."""
    async with FakeOllama() as fake:
        fake.models.clear()
        backend = Ollama.at("desk", fake.url, FakeClock())
        listed = await backend.deployments()
        await backend.close()
    assert [] == list(listed)


async def test_nobody_at_home_is_told() -> None:
    """By health in words, by the list as an error."""
    backend = Ollama.at("desk", "http://127.0.0.1:9", FakeClock())
    health = await backend.health()
    with pytest.raises(NetworkError, match="desk: it cannot be reached"):
        await backend.deployments()
    await backend.close()
    assert not health.ok


async def test_leaving_a_stream_stops_the_work(fake: FakeOllama, ollama: Ollama) -> None:
    """The connection is closed, and the next request is served."""
    fake.may_go_on.clear()
    stream = ollama.stream(ask_chat(stream=True), await of(ollama))
    await anext(stream)
    await stream.aclose()
    await asyncio.wait_for(fake.left.wait(), 5)
    assert (await chat(ollama)).data


async def test_a_request_of_the_wrong_shape_never_leaves(fake: FakeOllama, ollama: Ollama) -> None:
    """It says whose words they are."""
    with pytest.raises(SchemaError, match="desk: there are no messages"):
        await ollama.answer(ask(Operation.CHAT), await of(ollama))
    assert [] == fake.bodies("/api/chat")


def test_an_address_is_needed() -> None:
    """There is no usual one for something that was configured."""
    with pytest.raises(ConfigError, match="needs a url"):
        Ollama.made(Wish("desk", "ollama"), WORKSHOP)
