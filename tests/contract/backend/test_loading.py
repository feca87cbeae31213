"""The port Loading: one suite over every backend that brings weights into memory when it is asked to."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import pytest

from roundhouse.core.errors import NotFoundError, RoundhouseError
from roundhouse.core.inference import Chunk, Residency
from roundhouse.core.runtimes import Feature, Loading
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.subject import Subject


@pytest.fixture
async def loading(subject: Subject) -> Loading:
    """What it loads with; nothing is in its memory, as far as it can let go."""
    await subject.backend.deployments()
    if Feature.LOAD not in subject.backend.features:
        pytest.skip("it does not load when asked")
    loader = cast("Loading", subject.backend)
    if Feature.UNLOAD in subject.backend.features:
        await loader.unload(subject.model)
    return loader


@pytest.fixture
def loads(subject: Subject) -> Callable[[], int]:
    """How often weights came into memory."""
    assert subject.loads is not None, "who loads when asked is counted: say how in conftest.py"
    return subject.loads


@pytest.fixture
def unloading(subject: Subject, loading: Loading) -> Loading:
    """The same, of those who also let go when asked."""
    if Feature.UNLOAD not in subject.backend.features:
        pytest.skip("it does not unload when asked")
    return loading


async def residency(subject: Subject) -> Residency:
    """Where the weights are, by its own list."""
    return (await subject.deployment()).residency


async def test_what_was_loaded_is_listed_so(subject: Subject, loading: Loading, loads: Callable[[], int]) -> None:
    """And the seconds that it took are told."""
    before = loads()
    took_s = await loading.load(subject.model)
    if await residency(subject) is Residency.UNKNOWN:
        pytest.skip("it does not tell what is in memory")
    assert (Residency.LOADED, 1, True) == (await residency(subject), loads() - before, took_s > 0)


async def test_twenty_at_once_are_one_load(subject: Subject, loading: Loading, loads: Callable[[], int]) -> None:
    """All wait for the same."""
    before = loads()
    await asyncio.gather(*[loading.load(subject.model) for _ in range(20)])
    assert 1 == loads() - before


async def test_loading_and_asking_at_once_are_one_load(
    subject: Subject, loading: Loading, loads: Callable[[], int]
) -> None:
    """Who asks for an answer joins the load that somebody else wished for."""
    deployment, before = await subject.deployment(), loads()
    answers = [subject.backend.answer(ask_chat(), deployment) for _ in range(5)]
    await asyncio.gather(loading.load(subject.model), *answers)
    assert 1 == loads() - before


async def test_what_is_there_is_not_loaded_again(subject: Subject, loading: Loading, loads: Callable[[], int]) -> None:
    """Nor for an answer."""
    await loading.load(subject.model)
    before = loads()
    await loading.load(subject.model)
    await subject.backend.answer(ask_chat(), await subject.deployment())
    assert 0 == loads() - before


async def test_who_gives_up_spoils_it_for_nobody(subject: Subject, loading: Loading) -> None:
    """The others get what they wait for."""
    first, second = (asyncio.ensure_future(loading.load(subject.model)) for _ in range(2))
    await asyncio.wait([first, second], timeout=0.01)
    first.cancel()
    assert 0 <= await second


async def test_what_it_does_not_have_cannot_be_loaded(loading: Loading) -> None:
    """Which is told as that."""
    with pytest.raises(NotFoundError):
        await loading.load("gone")


async def test_what_it_does_not_have_cannot_be_let_go(unloading: Loading) -> None:
    """Which is told as that."""
    with pytest.raises(NotFoundError):
        await unloading.unload("gone")


async def test_what_was_let_go_is_cold_and_comes_back(subject: Subject, unloading: Loading) -> None:
    """With the next who asks for it."""
    await unloading.load(subject.model)
    await unloading.unload(subject.model)
    deployment = await subject.deployment()
    assert Residency.COLD is deployment.residency
    assert (await subject.backend.answer(ask_chat(), deployment)).data
    assert Residency.LOADED is await residency(subject)


async def test_what_is_not_in_memory_may_be_let_go(subject: Subject, unloading: Loading) -> None:
    """It is what was wished for."""
    await unloading.unload(subject.model)
    assert Residency.COLD is await residency(subject)


async def test_several_may_let_go_at_once(subject: Subject, unloading: Loading) -> None:
    """Whoever comes second finds that it is done."""
    await unloading.load(subject.model)
    await asyncio.gather(*[unloading.unload(subject.model) for _ in range(3)])
    assert Residency.COLD is await residency(subject)


async def test_letting_go_cuts_no_answer(subject: Subject, unloading: Loading) -> None:
    """It is refused, or waits until the answer is through; after that, it works."""
    await unloading.load(subject.model)
    go_on = subject.pause()
    chunks = subject.backend.stream(ask_chat(stream=True, max_tokens=200), await subject.deployment())
    told: list[Chunk] = []
    async for chunk in chunks:
        told.append(chunk)
        if chunk.visible:
            break
    leaving = asyncio.ensure_future(unloading.unload(subject.model))
    await asyncio.wait([leaving], timeout=0.1)
    go_on()
    told += [chunk async for chunk in chunks]
    assert [True] == [chunk.final for chunk in told if chunk.final]
    with suppress(RoundhouseError):
        await leaving
    await unloading.unload(subject.model)
    assert Residency.COLD is await residency(subject)
