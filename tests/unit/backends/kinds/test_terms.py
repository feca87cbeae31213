"""The time limits of the configuration hold for every kind, made as the program makes it: through its entry point."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from roundhouse.backends.kinds.presets import PRESETS
from roundhouse.core.clock import SystemClock
from roundhouse.core.errors import NetworkError
from roundhouse.core.events import Events
from roundhouse.core.inference import Capability, Deployment
from roundhouse.core.ports import Backend
from roundhouse.core.runtimes import Wish, Workshop
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.llama_router import FakeLlamaRouter
from roundhouse.testing.lmstudio import FakeLMStudio
from roundhouse.testing.ollama import FakeOllama
from roundhouse.testing.upstream import Fault, Upstream
from roundhouse.testing.vllm import FakeVLLM

LOCAL = ("openai-compatible", "litellm", "mlx", "vllm", "llama-server", "lmstudio", "ollama")
KINDS = (*LOCAL, *sorted(PRESETS))
FAKES = {"vllm": FakeVLLM, "llama-server": FakeLlamaRouter, "lmstudio": FakeLMStudio}
CHAT = frozenset({Capability.CHAT})


@asynccontextmanager
async def made(kind: str, url: str, *, connect_s: float = 5.0, idle_s: float = 120.0) -> AsyncIterator[Backend]:
    """A backend of that kind, as it was wished for."""
    (door,) = entry_points(group="roundhouse.backends", name=kind)
    base = url + "/v1" if kind in PRESETS and PRESETS[kind].quirks.is_unversioned else url
    workshop = Workshop(Events(), SystemClock(), {}, Path("unused"))
    backend: Backend = door.load()(Wish("it", kind, base, connect_s=connect_s, idle_s=idle_s), workshop)
    yield backend
    await backend.close()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "ollama"])
async def test_silence_is_allowed_for_as_long_as_was_configured(kind: str) -> None:
    """In the middle of an answer, and no longer."""
    async with FAKES.get(kind, Upstream)() as fake, made(kind, fake.url, idle_s=0.05) as backend:
        echo = next(each for each in await backend.deployments() if each.model == "echo")
        fake.plan(Fault.STALL_IN_TEXT)
        with pytest.raises(NetworkError, match="fell silent"):
            [chunk async for chunk in backend.stream(ask_chat("a b c", stream=True), echo)]


async def test_ollama_may_be_silent_for_as_long_as_was_configured() -> None:
    """Its fake is held up in another way."""
    async with FakeOllama() as fake, made("ollama", fake.url, idle_s=0.05) as backend:
        echo = next(each for each in await backend.deployments() if each.model == "echo:latest")
        fake.may_go_on.clear()
        with pytest.raises(NetworkError, match="fell silent"):
            [chunk async for chunk in backend.stream(ask_chat("a b c", stream=True), echo)]


@pytest.mark.parametrize("kind", KINDS)
async def test_connecting_takes_no_longer_than_was_configured(kind: str) -> None:
    """Whoever accepts a connection and never says hello is not connected."""
    async with mute() as url, made(kind, url, connect_s=0.05) as backend:
        if kind == "lmstudio":  # else it would look what is loaded, which has a limit of its own
            backend._memory.copies.loaded("echo", "echo", None, None)  # type: ignore[attr-defined]
        with pytest.raises(NetworkError, match=r"no connection within 0\.05 s"):
            await backend.answer(ask_chat(), Deployment("it", "echo", "echo", CHAT))


@asynccontextmanager
async def mute() -> AsyncIterator[str]:
    """The address of something that accepts connections and says nothing."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _reader, writer: writers.append(writer), "127.0.0.1", 0)
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for writer in writers:
        writer.transport.abort()
    server.close()
    await server.wait_closed()
