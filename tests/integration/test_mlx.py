"""MLX as Roundhouse runs it, with real children on the CPU."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from roundhouse.backends.kinds.mlx.folders import described
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.core.errors import BackendError, CapacityError, NotFoundError, SchemaError
from roundhouse.core.events import ArtifactRemoved
from roundhouse.core.inference import Deployment, Operation, Residency
from roundhouse.core.runtimes import ModelFolder
from roundhouse.testing.asking import ask, ask_chat
from roundhouse.testing.mlx import RULES, Managed, children, named

pytestmark = [pytest.mark.slow, pytest.mark.peer, pytest.mark.xdist_group("mlx")]

Start = Callable[..., Managed]
ENVIRON = {**os.environ, "HF_TOKEN": "hf_secret", "MY_API_KEY": "secret"}  # noqa: TID251 - scrubbed on the way
#: Room for one of the tiny model.
FOR_ONE = replace(RULES, memory=700 << 20, room_s=0.2)


@pytest.fixture
async def start(mlx_python: Path, tmp_path: Path) -> AsyncIterator[Start]:
    """Make a backend; its children are gone afterwards."""
    async with AsyncExitStack() as stack:

        def make(**wishes: Any) -> Managed:
            managed = Managed(mlx_python, tmp_path, ENVIRON, **wishes)
            stack.push_async_callback(managed.backend.close)
            return managed

        yield make
    assert [] == children()


@pytest.fixture
def noise(mlx_noise: Path) -> ModelFolder:
    """The tiny model, as the library would have it."""
    return described("noise", mlx_noise)


async def talk(managed: Managed, model: str = "noise") -> bytes:
    """Ask *model* something and wait for the answer."""
    answer = await managed.backend.answer(ask_chat(), await managed.deployment(model))
    assert answer.usage is not None
    return answer.data


async def test_fifty_first_requests_share_one_load(start: Start, mlx_noise: Path) -> None:
    """Whoever comes while the model loads waits for the same child."""
    managed = start(model=mlx_noise)
    before = (await managed.deployment()).residency
    await asyncio.gather(*[talk(managed) for _ in range(50)])
    after = await managed.deployment()
    assert ([("noise", True)], 1) == (managed.changes, len(children()))
    assert (Residency.COLD, Residency.LOADED, True) == (before, after.residency, bool(after.traits.load_s))


async def test_a_child_sees_no_secrets_and_no_network(start: Start, mlx_noise: Path) -> None:
    """It runs without keys in its environment, and is told twice to stay offline."""
    await talk(start(model=mlx_noise))
    seen = children()[0].environ()
    assert {"HF_TOKEN", "MY_API_KEY"}.isdisjoint(seen)
    assert {"hf_secret", "secret"}.isdisjoint(seen.values())
    assert "1" == seen["HF_HUB_OFFLINE"]


async def test_a_stranger_on_this_machine_needs_the_childs_key(start: Start, mlx_noise: Path) -> None:
    """The port is open to every user of the machine, the model is not; nor is it to a web page."""
    await talk(start(model=mlx_noise))
    address = children()[0].net_connections()[0].laddr
    other = OpenAICompatible("stranger", f"http://127.0.0.1:{address.port}", api_key="guess")
    with pytest.raises(BackendError, match="key is refused"):
        await other.answer(ask_chat(), Deployment("stranger", "noise", "noise", frozenset()))
    await other.close()
    assert "127.0.0.1" == address.ip


async def test_answers_name_the_model_that_was_asked(start: Start, noise: ModelFolder) -> None:
    """And never the folder that it lies in, nor what the child calls it."""
    managed = start(folders=named(noise, "org/noise"))
    data = await talk(managed, "org/noise")
    chunks = managed.backend.stream(ask_chat(stream=True), await managed.deployment("org/noise"))
    streamed = b"".join([chunk.data async for chunk in chunks])
    assert (True, True) == (b'"model": "org/noise"' in data, b'"model": "org/noise"' in streamed)
    assert b"default_model" not in data + streamed


@pytest.mark.parametrize("name", ["draft_model", "adapters", "\\u0061dapters"])
async def test_a_request_cannot_have_another_model_loaded(start: Start, mlx_noise: Path, name: str) -> None:
    """Neither beside its own nor instead of it, however the field is written."""
    managed = start(model=mlx_noise)
    request = ask_chat()
    body = request.body.replace(b"{", f'{{"{name}": "somebody/else", '.encode(), 1)
    with pytest.raises(SchemaError, match="cannot choose"):
        await managed.backend.answer(replace(request, body=body), await managed.deployment())
    assert [] == managed.changes


async def test_preloading_and_unloading(start: Start, mlx_noise: Path) -> None:
    """Before anybody asks, once; a second load costs nothing, an unknown model is not there."""
    managed = start(model=mlx_noise)
    took = await asyncio.gather(*[managed.backend.load("noise") for _ in range(5)])
    again = await managed.backend.load("noise")
    await managed.backend.unload("noise")
    with pytest.raises(NotFoundError):
        await managed.backend.load("other")
    assert (True, 0.0) == (all(each > 0 for each in took), again)
    assert [("noise", True), ("noise", False)] == managed.changes
    assert [] == children()


async def test_what_is_preloaded_is_there_before_anybody_asks(start: Start, mlx_noise: Path) -> None:
    """Once: what was unloaded since stays unloaded."""
    managed = start(model=mlx_noise, preload=True)
    await managed.deployment()
    assert ("noise", True) == await managed.change()
    await managed.backend.unload("noise")
    assert ("noise", False) == await managed.change()
    await managed.deployment()
    assert [("noise", True), ("noise", False)] == managed.changes


async def test_unloading_lets_the_running_reply_finish(start: Start, mlx_noise: Path) -> None:
    """Nobody's answer is cut."""
    managed = start(model=mlx_noise)
    async with aclosing(
        managed.backend.stream(ask_chat(stream=True, max_tokens=300), await managed.deployment())
    ) as chunks:
        await anext(chunks)
        await managed.backend.unload("noise")
        assert [True] == [chunk.final async for chunk in chunks if chunk.final]
    assert [("noise", True), ("noise", False)] == [await managed.change(), await managed.change()]


async def test_an_idle_model_is_unloaded_and_comes_back(start: Start, mlx_noise: Path) -> None:
    """Memory that nobody uses is given back, until somebody asks again."""
    managed = start(model=mlx_noise, rules=replace(RULES, idle_s=0.05))
    for _ in range(2):
        await talk(managed)
        assert [("noise", True), ("noise", False)] == [await managed.change(), await managed.change()]


async def test_the_least_recently_used_makes_room(start: Start, noise: ModelFolder) -> None:
    """Where one fits, the next one sends it away."""
    managed = start(folders=named(noise, "a", "b"), rules=replace(FOR_ONE, room_s=30.0))
    for model in "ab":
        await talk(managed, model)
    assert [("a", True), ("a", False), ("b", True)] == managed.changes


async def test_a_model_that_serves_is_never_sent_away(start: Start, noise: ModelFolder) -> None:
    """The other one is told that there is no room."""
    managed = start(folders=named(noise, "a", "b"), rules=FOR_ONE)
    async with aclosing(managed.backend.stream(ask_chat(stream=True), await managed.deployment("a"))) as chunks:
        await anext(chunks)
        with pytest.raises(CapacityError, match="serving"):
            await talk(managed, "b")
    assert [("a", True)] == managed.changes


async def test_a_model_that_can_never_fit_is_refused(start: Start, mlx_noise: Path) -> None:
    """With the figures, before anything is started; its listing warns of it."""
    managed = start(model=mlx_noise, rules=replace(RULES, memory=256 << 20))
    with pytest.raises(CapacityError, match=r"noise needs .* for its weights"):
        await talk(managed)
    assert "noise needs" in (await managed.deployment()).traits.warnings[0]


@pytest.mark.parametrize("limit", [{"max_tokens": 10**9}, {"max_completion_tokens": 5000}, {"max_tokens": None}])
async def test_an_answer_ends_with_its_context(start: Start, mlx_noise: Path, limit: dict[str, int | None]) -> None:
    """However long it may be, or nobody said; the memory beyond was never reckoned with."""
    managed = start(model=mlx_noise)
    deployment = await managed.deployment()
    body = {"messages": [{"role": "user", "content": "on"}], "temperature": 0, "logit_bias": {"2": -100}}
    body |= {name: value for name, value in limit.items() if value is not None}
    answer = await managed.backend.answer(ask(Operation.CHAT, body), deployment)
    assert answer.usage is not None
    assert deployment.context == answer.usage.prompt + answer.usage.completion


async def test_a_prompt_that_fills_the_context_is_refused(start: Start, mlx_noise: Path) -> None:
    """As wrong, whole or streamed, and the child goes on."""
    managed = start(model=mlx_noise)
    deployment = await managed.deployment()
    with pytest.raises(SchemaError, match=r"prompt is too long: .* where 2048 fit"):
        await managed.backend.answer(ask_chat("hi " * 5000), deployment)
    with pytest.raises(SchemaError, match="prompt is too long"):
        await anext(managed.backend.stream(ask_chat("hi " * 5000, stream=True), deployment))
    await talk(managed)
    assert [("noise", True)] == managed.changes


def a_cut_copy(model: Path, folder: Path) -> ModelFolder:
    """A model whose weights end too soon."""
    shutil.copytree(model, folder)
    (weights,) = folder.glob("*.safetensors")
    os.truncate(weights, 5_000)
    return described("broken", folder)


async def test_a_broken_folder_is_a_clear_error(start: Start, tmp_path: Path, mlx_noise: Path) -> None:
    """It names the model and not where it lies, and after a few tries it is left alone."""
    managed = start(folders=[a_cut_copy(mlx_noise, tmp_path / "broken")])
    for _ in range(2):
        with pytest.raises(BackendError, match="could not load broken") as caught:
            await talk(managed, "broken")
        assert str(tmp_path) not in caught.value.message
    with pytest.raises(BackendError, match="left alone"):
        await talk(managed, "broken")


async def test_a_draft_model_goes_along(start: Start, mlx_noise: Path) -> None:
    """It is loaded beside the model, and the answer is the model's own."""
    alone, drafted = start(model=mlx_noise), start(model=mlx_noise, draft=mlx_noise)
    said = [(await talk(each)).partition(b'"choices"')[2] for each in (alone, drafted)]
    assert said[0] == said[1]


async def test_a_model_that_left_the_library_leaves_memory(start: Start, noise: ModelFolder) -> None:
    """Its files are gone, so it must not be served any more."""
    managed = start(folders=[noise])
    await talk(managed)
    deployment = await managed.deployment()
    managed.folders = ()
    managed.events.publish(ArtifactRemoved("noise"))
    assert [("noise", True), ("noise", False)] == [await managed.change(), await managed.change()]
    with pytest.raises(BackendError, match="not in the library"):
        await managed.backend.answer(ask_chat(), deployment)


async def test_closing_while_a_model_loads_leaves_nothing_behind(start: Start, mlx_noise: Path) -> None:
    """Shutdown does not wait for a load."""
    managed = start(model=mlx_noise)
    deployment = await managed.deployment()
    waiting = asyncio.create_task(managed.backend.answer(ask_chat(), deployment))
    async with asyncio.timeout(20):
        while not children():  # noqa: ASYNC110 - one step of the other task at a time
            await asyncio.sleep(0)
    await managed.backend.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [] == children()


async def test_it_says_how_full_it_is_and_what_is_in_use(start: Start, mlx_noise: Path) -> None:
    """In words for people, and by name for whoever cleans up the library."""
    managed = start(model=mlx_noise)
    before = list(managed.backend.in_use())
    await talk(managed)
    health = await managed.backend.health()
    assert ([], ["noise"]) == (before, list(managed.backend.in_use()))
    assert (True, True) == (health.ok, "loaded: 1 of 1" in health.detail)
