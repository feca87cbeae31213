"""The port Storing: one suite over every backend that has a store of its own."""

from typing import cast

import pytest

from roundhouse.core.errors import ConflictError, NotFoundError
from roundhouse.core.runtimes import Feature, Storing
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.subject import Subject

_ALL = {Feature.PULL, Feature.DELETE, Feature.COPY}
_NEW, _NOWHERE = "new:latest", "missing:latest"


@pytest.fixture
async def storing(subject: Subject) -> Storing:
    """Its store."""
    await subject.backend.deployments()
    if not subject.backend.features >= _ALL:
        pytest.skip("it has no store of its own")
    return cast("Storing", subject.backend)


async def listed(subject: Subject) -> set[str]:
    """The names of all that it has."""
    return {each.upstream for each in await subject.backend.deployments()}


async def test_what_is_fetched_is_listed_and_answers(subject: Subject, storing: Storing) -> None:
    """Progress on the way only grows, and ends with all of it."""
    steps = [step async for step in storing.pull(_NEW)]
    done = [step.done for step in steps if step.done is not None]
    assert (done, steps[-1].total) == (sorted(done), steps[-1].done)
    assert len(set(done)) > 1
    assert (await subject.backend.answer(ask_chat(), await subject.deployment(_NEW))).data


async def test_what_nobody_has_cannot_be_fetched(subject: Subject, storing: Storing) -> None:
    """And leaves nothing behind."""
    before = await listed(subject)
    with pytest.raises(NotFoundError):
        [step async for step in storing.pull(_NOWHERE)]
    assert before == await listed(subject)


async def test_a_copy_is_a_second_name(subject: Subject, storing: Storing) -> None:
    """The first stays, and both answer."""
    await storing.copy(subject.model, _NEW)
    assert {subject.model, _NEW} <= await listed(subject)
    assert (await subject.backend.answer(ask_chat(), await subject.deployment(_NEW))).data


async def test_a_copy_takes_no_name_from_another(subject: Subject, storing: Storing, embedding: str) -> None:
    """Nothing is replaced."""
    before = await listed(subject)
    with pytest.raises(ConflictError):
        await storing.copy(subject.model, embedding)
    assert before == await listed(subject)


async def test_what_is_deleted_is_gone(subject: Subject, storing: Storing) -> None:
    """Only that, and only once."""
    before = await listed(subject)
    await storing.copy(subject.model, _NEW)
    await storing.delete(_NEW)
    assert before == await listed(subject)
    with pytest.raises(NotFoundError):
        await storing.delete(_NEW)


async def test_what_it_does_not_have_cannot_be_copied(subject: Subject, storing: Storing) -> None:
    """Which is told as that, and makes no name."""
    before = await listed(subject)
    with pytest.raises(NotFoundError):
        await storing.copy("gone:latest", _NEW)
    assert before == await listed(subject)
