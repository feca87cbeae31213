"""What every `Management` tells of what happens. A house under test has `NAME` in its library."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from roundhouse.core.desks.events import Told, Wish
from roundhouse.core.errors import ConflictError, NotFoundError, SchemaError
from roundhouse.core.management import Management
from roundhouse.core.views import TransferView

NAME = "roundhouse/noise"


@pytest.fixture
async def told(management: Management) -> AsyncIterator[AsyncIterator[Told]]:
    """Listen to all that happens from now on."""
    with management.listen(Wish(("transfer", "model"))) as heard:
        assert (await anext(heard)).type == "stream.ready"
        yield heard


async def changes(heard: AsyncIterator[Told], last: str) -> list[str]:
    """The states that are told, up to the *last* one."""
    states: list[str] = []
    async with asyncio.timeout(20):
        while last not in states:
            each = await anext(heard)
            if each.type == "transfer.changed":
                states.append(json.loads(each.body)["data"]["state"])
    return states


async def test_each_change_of_a_transfer_is_told_once(management: Management, told: AsyncIterator[Told]) -> None:
    """Also those that people make; what is told is what would be shown."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        silent = f"https://127.0.0.1:{listener.getsockname()[1]}/silent.gguf#sha256={'ab' * 32}"
        started = await management.start_pull(silent, None)
        await management.pause_transfer(started.id)
        await management.pause_transfer(started.id)
        await management.cancel_transfer(started.id)
        states = await changes(told, "cancelled")
    assert (states[0], states[-2:], states.count("paused")) == ("queued", ["paused", "cancelled"], 1)


async def test_what_happens_to_models_is_told(management: Management, told: AsyncIterator[Told]) -> None:
    """A verification with its outcome, and a removal."""
    await management.verify_model(NAME, quick=True)
    await management.remove_model(NAME, dry_run=False)
    async with asyncio.timeout(20):
        bodies = [json.loads((await anext(told)).body) for _ in range(2)]
    assert [(body["type"], body["data"]) for body in bodies] == [
        ("model.verified", {"model": NAME, "ok": True, "quick": True}),
        ("model.removed", {"model": NAME}),
    ]


async def test_nobody_listens_to_what_there_is_not(management: Management) -> None:
    """A wrong type is an error, not silence."""
    with pytest.raises(SchemaError), management.listen(Wish(("nonsense",))):
        pass


async def test_a_download_leaves_the_list_when_it_is_over(management: Management, told: AsyncIterator[Told]) -> None:
    """Not before; it is told, and then it is unknown."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        silent = f"https://127.0.0.1:{listener.getsockname()[1]}/silent.gguf#sha256={'cd' * 32}"
        started = await management.start_pull(silent, None)
        with pytest.raises(ConflictError):
            await management.forget_transfer(started.id)
        await management.cancel_transfer(started.id)
        gone = await forgotten(management, started.id)
    assert (gone.id, gone.state) == (started.id, "cancelled")
    async with asyncio.timeout(20):
        while (each := await anext(told)).type != "transfer.removed":
            pass
    assert json.loads(each.body)["data"]["id"] == started.id
    with pytest.raises(NotFoundError):
        await management.forget_transfer(started.id)


async def forgotten(management: Management, id_: str) -> TransferView:
    """Forget it as soon as its job has let go of it."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await management.forget_transfer(id_)
            except ConflictError:
                await asyncio.sleep(0)
