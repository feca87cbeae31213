"""A model that runs at another node of ours: what happens to its child there is no more than a delay here."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from roundhouse.app import Roundhouse
from roundhouse.backends.kinds.roundhouse import Node
from roundhouse.core.desks.events import Wish
from roundhouse.serving.serve import Serving
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.children import hit, lose, serving_of
from roundhouse.testing.mlx import children
from roundhouse.testing.node import a_node

pytestmark = [pytest.mark.slow, pytest.mark.peer, pytest.mark.xdist_group("mlx")]

#: An answer so long that a signal finds it under way.
LONG = {"max_tokens": 1500, "logit_bias": {"2": -100}}


@dataclass(frozen=True, slots=True)
class Two:
    """A whole node that has the model, and what serves requests at the one in front of it."""

    back: Roundhouse
    front: Serving

    @asynccontextmanager
    async def loading(self, times: int) -> AsyncIterator[None]:
        """See that the model is loaded so many times while this lasts, and is there at its end."""
        with self.back.management.listen(Wish(("backend.residency",))) as heard:
            await anext(heard)
            yield
            assert 1 == len(children())
            await self.back.management.unload_model("noise")
            seen = [json.loads((await anext(heard)).body)["data"]["loaded"] for _ in range(2 * times)]
            assert [True, False] * times == seen
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await anext(heard)


Start = Callable[[int], Awaitable[Two]]


@pytest.fixture
async def start(mlx_python: Path, mlx_noise: Path, tmp_path: Path) -> AsyncIterator[Start]:
    """Make both; the model works on so many requests at a time."""
    async with AsyncExitStack() as stack:

        async def make(parallel: int) -> Two:
            options = [f"python={mlx_python}", f"model={mlx_noise}", "memory=1GiB", f"parallel={parallel}"]
            flags = {"backends.local.kind": "llamacpp", "backends.local.enabled": False}
            mlx = {"backends.mlx.kind": "mlx", "backends.mlx.options": options}
            back = await stack.enter_async_context(a_node(tmp_path / "back", {**flags, **mlx}))
            node = Node("box", back.url, node="front")
            stack.push_async_callback(node.close)
            return Two(back.house, serving_of(node, await node.deployments()))

        yield make


async def test_fifty_first_requests_at_two_nodes_share_one_load(start: Start) -> None:
    """Half of them at the one that has the model, half at the one in front of it."""
    two = await start(8)
    async with two.loading(1):
        doors = (two.front, two.back.rooms.serving) * 25
        answers = await asyncio.gather(*[door.answer(ask_chat()) for door in doors])
    assert 50 == sum(answer.usage is not None for _, answer in answers)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_who_waits_in_front_is_served_after_all(start: Start, how: signal.Signals) -> None:
    """A child that dies or stops costs those who were in it a clear error, and the queue in front nothing."""
    two = await start(2)
    async with two.loading(2):
        long = ask_chat(stream=True, **LONG)  # type: ignore[arg-type]
        assert (2, 8) == await lose(two.front, lambda: hit(children()[0], how), long, 2)
