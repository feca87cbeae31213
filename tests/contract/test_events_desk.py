"""What every `Management` tells of what happens. A house under test has `NAME` in its library."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from roundhouse.core.desks.events import Told, Wish
from roundhouse.core.errors import SchemaError
from roundhouse.core.management import Management

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
