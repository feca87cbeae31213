"""What each kind of backend adds to the bytes that it carries: one answer through it, beside the same bytes by hand.

The answers are those of the kind's fake, recorded once and given by nginx, so only our own time differs.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import aiohttp
from benchmarks.canned import Tape, played, recorded
from benchmarks.gateway import table
from yarl import URL

from roundhouse.backends.openai.posting import Poster
from roundhouse.core.clock import SystemClock
from roundhouse.core.events import Events
from roundhouse.core.inference import Deployment, InferenceRequest
from roundhouse.core.ports import Backend
from roundhouse.core.runtimes import Wish, Workshop
from roundhouse.testing.anthropic import FakeAnthropic
from roundhouse.testing.anthropic_shapes import NEWER
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.gemini import FakeGemini
from roundhouse.testing.llama_router import FakeLlamaRouter
from roundhouse.testing.lmstudio import FakeLMStudio
from roundhouse.testing.node import Node, a_node
from roundhouse.testing.ollama import FakeOllama
from roundhouse.testing.upstream import Upstream
from roundhouse.testing.vllm import FakeVLLM


@asynccontextmanager
async def _other_house() -> AsyncIterator[Node]:
    """Another node with a backend of its own."""
    with tempfile.TemporaryDirectory(prefix="roundhouse-bench-") as home:
        async with Upstream() as upstream, a_node(Path(home), {"downloads.offline": True}) as node:
            await node.house.management.add_backend("box", {"url": upstream.url})
            yield node


#: Each kind: its fake, and the model to ask for.
KINDS: dict[str, tuple[Callable[[], AbstractAsyncContextManager[Any]], str]] = {
    "openai-compatible": (Upstream, "echo"),
    "openai": (Upstream, "echo"),
    "litellm": (Upstream, "echo"),
    "mlx": (Upstream, "echo"),
    "vllm": (FakeVLLM, "echo"),
    "llama-server": (FakeLlamaRouter, "echo"),
    "lmstudio": (FakeLMStudio, "echo"),
    "ollama": (FakeOllama, "echo:latest"),
    "anthropic": (partial(FakeAnthropic, NEWER, key="sk-none"), NEWER.name),
    "gemini": (FakeGemini, "gemini-2.0-flash"),
    "roundhouse": (_other_house, "echo"),
}
#: Those to whom every request goes on a connection of its own, because they hold a thread for each that is kept.
_FRESH = frozenset({"llama-server"})
_BLOCK, _BLOCKS, _WARM, _WORDS = 50, 20, 50, 100


@dataclass(frozen=True, slots=True)
class Pair:
    """Medians in milliseconds, taken in turn."""

    through: float
    by_hand: float

    @property
    def adds(self) -> float:
        """What the adapter adds."""
        return self.through - self.by_hand


@dataclass(frozen=True, slots=True)
class Added:
    """One adapter beside the same bytes by hand."""

    kind: str
    #: Until the whole answer is there.
    whole: Pair
    #: Until a stream of one word is.
    stream: Pair
    #: What each further piece adds, in microseconds.
    piece_us: float


async def adapter(kind: str, folder: Path) -> Added:
    """One kind, whole and streamed."""
    whole = await _beside(kind, folder / "whole", ask_chat("word " * _WORDS, max_tokens=_WORDS))
    short = await _beside(kind, folder / "short", ask_chat("word", stream=True))
    long = await _beside(kind, folder / "long", ask_chat("word " * _WORDS, stream=True, max_tokens=_WORDS))
    return Added(kind, whole, short, (long.adds - short.adds) / _WORDS * 1e3)


async def _beside(kind: str, folder: Path, request: InferenceRequest) -> Pair:
    """An answer through the adapter and by hand."""
    fake, model = KINDS[kind]
    async with fake() as upstream, recorded(_root(upstream.url)) as (url, tape), made(kind, url) as backend:
        await _ask(backend, await deployment_of(backend, model), request)
    with played(tape, folder) as url:
        await _answers(url, tape)
        async with made(kind, url) as backend:
            deployment = await deployment_of(backend, model)

            async def through() -> None:
                await _ask(backend, deployment, request)

            async with _by_hand(url, tape, stream=request.stream, keep_alive=kind not in _FRESH) as by_hand:
                return await _in_turn(through, by_hand)


def _root(url: str) -> str:
    return url.removesuffix("/v1")


@asynccontextmanager
async def made(kind: str, url: str) -> AsyncIterator[Backend]:
    """A backend of that kind at that address."""
    (door,) = entry_points(group="roundhouse.backends", name=kind)
    workshop = Workshop(Events(), SystemClock(), {}, Path(tempfile.gettempdir()), node="bench")
    backend: Backend = door.load()(Wish(kind, kind, url, ("sk-none",)), workshop)
    try:
        yield backend
    finally:
        await backend.close()


async def deployment_of(backend: Backend, model: str) -> Deployment:
    """The model there. Raises StopIteration."""
    return next(each for each in await backend.deployments() if each.model == model)


async def _ask(backend: Backend, deployment: Deployment, request: InferenceRequest) -> None:
    if not request.stream:
        await backend.answer(request, deployment)
        return
    async with aclosing(backend.stream(request, deployment)) as chunks:  # type: ignore[type-var] # a generator
        async for _ in chunks:
            pass


async def _answers(url: str, tape: Tape) -> None:
    """Wait until nginx does."""
    async with aiohttp.ClientSession() as session:
        for _ in range(200):
            try:
                async with session.get(url + tape.last):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def _by_hand(
    url: str, tape: Tape, *, stream: bool, keep_alive: bool
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """The recorded body, posted with the same clients that the adapters use, and the answer read."""
    said, headers = tape.by_path[tape.last], {"Content-Type": "application/json"}
    poster = Poster(URL(url), headers, keep_alive=keep_alive, connect_s=5)
    connector = aiohttp.TCPConnector(limit=0, force_close=not keep_alive)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:

        async def whole() -> None:
            await poster.post(tape.last.encode(), said.asked, 60)

        async def streamed() -> None:
            async with session.post(url + tape.last, data=said.asked) as response:
                async for _ in response.content.iter_any():
                    pass

        yield streamed if stream else whole
    poster.close()


async def _in_turn(one: Callable[[], Awaitable[None]], other: Callable[[], Awaitable[None]]) -> Pair:
    """Medians of both, taken in turn so that a slow moment of the machine hits both."""
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(_WARM):
        await one()
        await other()
    for _ in range(_BLOCKS):
        for act, times in zip((one, other), took, strict=True):
            for _ in range(_BLOCK):
                begun = time.perf_counter()
                await act()
                times.append((time.perf_counter() - begun) * 1e3)
    return Pair(statistics.median(took[0]), statistics.median(took[1]))


def _cells(pair: Pair) -> list[str]:
    return [f"{value:.3f}" for value in (pair.through, pair.by_hand, pair.adds)]


def report(adapters: Sequence[Added]) -> list[str]:
    """Lines of Markdown."""
    rows = [[each.kind, *_cells(each.whole), *_cells(each.stream), f"{each.piece_us:.0f} µs"] for each in adapters]
    return [
        "## Adapters",
        "",
        f"A chat of {_WORDS} words and its answer, one at a time, against the fake's own bytes given by nginx; beside",
        "the same bytes posted and read by the same client. Medians of 1,000, milliseconds. The stream is of one word;",
        f"what each further piece takes is told from one of {_WORDS}. To llama-server each goes on a connection of",
        "its own, for it holds a thread for each that is kept; so it does by hand.",
        "",
        *table(["kind", "whole", "by hand", "adds", "stream", "by hand", "adds", "each piece"], rows),
        "",
    ]
