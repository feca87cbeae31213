"""Each kind of backend, over its verified fake and over the real thing where that runs here."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.backends.kinds import presets
from roundhouse.backends.kinds.anthropic.backend import Anthropic
from roundhouse.backends.kinds.gemini.backend import Gemini
from roundhouse.backends.kinds.gemini.calls import Calls
from roundhouse.backends.kinds.litellm import LiteLLM
from roundhouse.backends.kinds.llama_server.backend import LlamaServer
from roundhouse.backends.kinds.lmstudio.backend import LMStudio
from roundhouse.backends.kinds.mlx.remote import MLX
from roundhouse.backends.kinds.ollama.backend import Ollama
from roundhouse.backends.kinds.roundhouse import Node
from roundhouse.backends.kinds.vllm import VLLM
from roundhouse.backends.llamacpp.child import Child
from roundhouse.backends.llamacpp.config import ChildConfig
from roundhouse.backends.llamacpp.loadable import LoadableModel, RuntimeLimits
from roundhouse.backends.llamacpp.runtime import LlamaCpp
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.core.clock import SystemClock
from roundhouse.core.events import Event, Events, ResidencyChanged
from roundhouse.core.runtimes import Wish, Workshop
from roundhouse.testing import anthropic, litellm, mlx
from roundhouse.testing.gemini import FakeGemini
from roundhouse.testing.llama_router import FakeLlamaRouter
from roundhouse.testing.lmstudio import Api, FakeLMStudio
from roundhouse.testing.node import a_node
from roundhouse.testing.noise import loadable, write_reranker
from roundhouse.testing.ollama import FakeOllama
from roundhouse.testing.program import free_port, running
from roundhouse.testing.subject import Subject
from roundhouse.testing.upstream import Upstream
from roundhouse.testing.vllm import FakeVLLM

ROOT = Path(__file__).resolve().parents[3]
NOISE = ROOT / "src" / "roundhouse" / "assets" / "noise.gguf"
ENVIRON = dict(os.environ)  # noqa: TID251 - handed to the real programs


@pytest.fixture(scope="session")
def litellm_url(peer_python: Callable[[str, str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real LiteLLM proxy."""
    python = peer_python("ROUNDHOUSE_LITELLM_PYTHON", ".venv-litellm")
    folder, port = tmp_path_factory.mktemp("litellm"), free_port()
    echo = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "roundhouse.testing.upstream", "--port", str(port)]
    with (
        running(command, f"{echo}/v1/models", log=folder / "echo.log", environ=ENVIRON),
        litellm.litellm_proxy(python, folder, ENVIRON, relaying=echo) as url,
    ):
        yield url


@pytest.fixture(scope="session")
def mlx_url(mlx_python: Path, mlx_noise: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real mlx_lm.server with a tiny random model, whose folder is called ``noise``."""
    with mlx.mlx_server(mlx_python, mlx_noise, tmp_path_factory.mktemp("mlx"), ENVIRON) as url:
        yield url


def counted(events: Events) -> Callable[[], int]:
    """Count what is brought into memory from now on."""
    loaded: list[str] = []

    def note(event: Event) -> None:
        if isinstance(event, ResidencyChanged) and event.loaded:
            loaded.append(event.model)

    events.subscribe(note)
    return lambda: len(loaded)


@pytest.fixture
async def echo() -> AsyncIterator[Subject]:
    """The fake."""
    async with Upstream(api_key="secret") as upstream:
        backend = OpenAICompatible("echo", upstream.url, api_key="secret")
        yield Subject(backend, "echo", "echo", "echo")
        await backend.close()


async def a_studio(api: Api) -> AsyncIterator[Subject]:
    """LM Studio as its documents describe it, of one version."""
    async with FakeLMStudio(api) as fake:
        backend = LMStudio("studio", fake.url)
        yield Subject(backend, "echo", "text-embed", loads=lambda: fake.loads["echo"], pause=fake.pause)
        await backend.close()


@pytest.fixture
async def lmstudio() -> AsyncIterator[Subject]:
    """LM Studio since 0.4."""
    async for subject in a_studio(Api.V1):
        yield subject


@pytest.fixture
async def lmstudio_v0() -> AsyncIterator[Subject]:
    """LM Studio before that."""
    async for subject in a_studio(Api.V0):
        yield subject


@pytest.fixture
async def lmstudio_openai() -> AsyncIterator[Subject]:
    """LM Studio behind something that lets nothing through but OpenAI's dialect."""
    async for subject in a_studio(Api.OPENAI):
        yield subject


@pytest.fixture
async def llamacpp(tmp_path: Path) -> AsyncIterator[Subject]:
    """The embedded runtime."""
    noise = LoadableModel("roundhouse/noise", NOISE, NOISE.stat().st_size, 4096, "llama", has_chat_template=True)
    limits = RuntimeLimits(memory=1 << 30, threads=1)
    rank = replace(loadable(write_reranker(tmp_path / "rank.gguf")), name="rank")
    events = Events()
    backend = LlamaCpp("local", lambda: [noise, rank], limits=limits, events=events, environ=ENVIRON)
    yield Subject(backend, "roundhouse/noise", "roundhouse/noise", "rank", loads=counted(events))
    await backend.close()


@pytest.fixture
async def llama_server() -> AsyncIterator[Subject]:
    """llama-server's API as llama.cpp serves it, as if somebody else had started it."""
    config = ChildConfig(str(NOISE), "noise", 1024, 4, "key", os.getpid(), threads=1)
    child = await Child.start(config, ENVIRON, within_s=60)
    backend = LlamaServer("llama", child.address, api_key="key")
    yield Subject(backend, "noise", "noise", knows_names=False)
    await backend.close()
    await child.stop()


@pytest.fixture
async def llama_router() -> AsyncIterator[Subject]:
    """llama-server as a router, which its embedded form does not have."""
    async with FakeLlamaRouter() as fake:
        backend = LlamaServer("router", fake.url)
        yield Subject(backend, "echo", "text-embed", loads=lambda: fake.loads["echo"], pause=fake.pause)
        await backend.close()


@pytest.fixture
async def vllm() -> AsyncIterator[Subject]:
    """vLLM, which has one model in each process; this one can sleep, and does not embed."""
    async with FakeVLLM(dev_mode=True) as fake:
        backend = VLLM("vllm", fake.url)
        yield Subject(backend, "echo", None, loads=lambda: fake.woken["/wake_up"], pause=fake.pause)
        await backend.close()


@pytest.fixture
async def proxied(litellm_url: str) -> AsyncIterator[Subject]:
    """LiteLLM's proxy."""
    backend = LiteLLM("litellm", litellm_url, api_key=litellm.KEY)
    yield Subject(backend, litellm.CHAT_MODEL, litellm.EMBEDDING_MODEL)
    await backend.close()


@pytest.fixture
async def proxied_openai(litellm_url: str) -> AsyncIterator[Subject]:
    """LiteLLM's proxy in the place of OpenAI's cloud."""
    backend = presets.made(Wish("openai", "openai", litellm_url, (litellm.KEY,)), a_workshop())
    yield Subject(backend, litellm.RELAYED_MODEL, litellm.EMBEDDING_MODEL)
    await backend.close()


@pytest.fixture
async def mlx_lm(mlx_url: str) -> AsyncIterator[Subject]:
    """mlx_lm.server, which has no embeddings."""
    backend = MLX("mlx", f"{mlx_url}/v1")
    yield Subject(backend, "noise", None)
    await backend.close()


@pytest.fixture
async def roundhouse(tmp_path: Path) -> AsyncIterator[Subject]:
    """Another node of ours, which has backends of its own."""
    off = {"backends.local.kind": "llamacpp", "backends.local.enabled": False}
    async with FakeOllama() as fake, Upstream(models=["rerank"]) as upstream:
        flags = {**off, "backends.ollama.kind": "ollama", "backends.ollama.url": fake.url}
        async with a_node(tmp_path / "other", {**flags, "backends.ranks.url": upstream.url}) as other:
            backend = Node("box", other.url, node="here")
            yield Subject(backend, "echo:latest", "embed:latest", "rerank")
            await backend.close()


@pytest.fixture
async def mlx_managed(mlx_python: Path, mlx_noise: Path, tmp_path: Path) -> AsyncIterator[Subject]:
    """A mlx_lm.server that we start ourselves."""
    house = mlx.Managed(mlx_python, tmp_path, ENVIRON, model=mlx_noise)
    yield Subject(house.backend, "noise", None, loads=lambda: house.changes.count(("noise", True)))
    await house.backend.close()


@pytest.fixture
async def ollama() -> AsyncIterator[Subject]:
    """Ollama's own API, as the fake has it."""
    async with FakeOllama() as fake:
        backend = Ollama.at("ollama", fake.url, SystemClock())
        yield Subject(backend, "echo:latest", "embed:latest", loads=lambda: fake.loads["echo:latest"], pause=fake.pause)
        await backend.close()


@pytest.fixture
async def anthropic_cloud() -> AsyncIterator[Subject]:
    """Anthropic, as the fake has it."""
    async with anthropic.FakeAnthropic() as fake:
        backend = claude("anthropic", fake.url, anthropic.KEY)
        yield Subject(backend, "claude-opus-5", None, completes=False)
        await backend.close()


@pytest.fixture
async def proxied_anthropic(litellm_url: str) -> AsyncIterator[Subject]:
    """LiteLLM's proxy, which speaks Anthropic's API as well and lists its models like OpenAI."""
    backend = claude("anthropic", litellm_url, litellm.KEY, litellm.RELAYED_MODEL)
    yield Subject(backend, litellm.RELAYED_MODEL, None, completes=False)
    await backend.close()


def claude(name: str, url: str, key: str, *models: str) -> Anthropic:
    """An Anthropic at an address."""
    return Anthropic.made(Wish(name, "anthropic", url, (key,), models=models), a_workshop())


def a_workshop() -> Workshop:
    """What backends may use, without a folder."""
    return Workshop(Events(), SystemClock(), {}, Path())


@pytest.fixture
async def gemini() -> AsyncIterator[Subject]:
    """Google's own API, as the fake has it."""
    async with FakeGemini(keys=["secret"]) as fake:
        backend = Gemini(Calls("gemini", fake.url, ["secret"]), SystemClock())
        yield Subject(backend, "gemini-2.0-flash", "gemini-embedding-001")
        await backend.close()


@pytest.fixture(
    params=[
        "echo",
        "anthropic_cloud",
        "lmstudio",
        "lmstudio_v0",
        "lmstudio_openai",
        "llama_router",
        "ollama",
        pytest.param("roundhouse", marks=pytest.mark.slow),
        "gemini",
        "vllm",
        pytest.param("llamacpp", marks=pytest.mark.slow),
        pytest.param("llama_server", marks=pytest.mark.slow),
        pytest.param("proxied", marks=[pytest.mark.slow, pytest.mark.peer, pytest.mark.xdist_group("litellm")]),
        pytest.param("proxied_openai", marks=[pytest.mark.slow, pytest.mark.peer, pytest.mark.xdist_group("litellm")]),
        pytest.param(
            "proxied_anthropic", marks=[pytest.mark.slow, pytest.mark.peer, pytest.mark.xdist_group("litellm")]
        ),
        pytest.param("mlx_lm", marks=[pytest.mark.slow, pytest.mark.peer, pytest.mark.xdist_group("mlx")]),
        pytest.param("mlx_managed", marks=[pytest.mark.slow, pytest.mark.peer, pytest.mark.xdist_group("mlx")]),
    ]
)
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each backend in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Subject)
    return found


@pytest.fixture
def embedding(subject: Subject) -> str:
    """The model that embeds."""
    if subject.embedder is None:
        pytest.skip("it has no embeddings")
    return subject.embedder


@pytest.fixture
def ranking(subject: Subject) -> str:
    """The model that puts documents in order."""
    if subject.reranker is None:
        pytest.skip("it has no reranker")
    return subject.reranker
