"""The port Backend: one suite over the fake and over everything real that we speak to."""

import asyncio
import json
import os
import struct
import sys
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest

from roundhouse.backends.kinds.anthropic.backend import Anthropic
from roundhouse.backends.kinds.gemini.backend import Gemini
from roundhouse.backends.kinds.gemini.calls import Calls
from roundhouse.backends.kinds.litellm import LiteLLM
from roundhouse.backends.kinds.llama_server.backend import LlamaServer
from roundhouse.backends.kinds.lmstudio.backend import LMStudio
from roundhouse.backends.kinds.mlx import MLX
from roundhouse.backends.kinds.ollama.backend import Ollama
from roundhouse.backends.kinds.vllm import VLLM
from roundhouse.backends.llamacpp.child import Child
from roundhouse.backends.llamacpp.config import ChildConfig
from roundhouse.backends.llamacpp.resident import LoadableModel, RuntimeLimits
from roundhouse.backends.llamacpp.runtime import LlamaCpp
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.core.clock import SystemClock
from roundhouse.core.errors import BackendError, SchemaError
from roundhouse.core.events import Events
from roundhouse.core.inference import Chunk, Deployment, Operation
from roundhouse.core.ports import Backend
from roundhouse.core.runtimes import Wish, Workshop
from roundhouse.testing import anthropic, litellm, mlx
from roundhouse.testing.asking import ask, ask_chat, ask_completion, ask_embedding
from roundhouse.testing.gemini import FakeGemini
from roundhouse.testing.llama_router import FakeLlamaRouter
from roundhouse.testing.lmstudio import FakeLMStudio
from roundhouse.testing.ollama import FakeOllama
from roundhouse.testing.program import free_port, running
from roundhouse.testing.upstream import Upstream
from roundhouse.testing.vllm import FakeVLLM

ROOT = Path(__file__).resolve().parents[2]
NOISE = ROOT / "src" / "roundhouse" / "assets" / "noise.gguf"
ENVIRON = dict(os.environ)  # noqa: TID251 - handed to the real programs


@dataclass(frozen=True, slots=True)
class Subject:
    """A backend under test: what it is asked for chat and for embeddings."""

    backend: Backend
    model: str
    embedder: str | None
    #: False for a server that answers for its one model whatever is asked for.
    knows_names: bool = True
    #: False for what only chats.
    completes: bool = True

    async def deployment(self, model: str | None = None) -> Deployment:
        """The deployment of that model."""
        listed = {each.model: each for each in await self.backend.deployments()}
        return listed[model or self.model]


def peer_python(variable: str, folder: str) -> Path:
    """The interpreter that has a real peer installed."""
    python = Path(ENVIRON.get(variable) or ROOT / folder / "bin" / "python")
    if not python.exists():
        message = f"{python} is missing: run `make peers`"
        if ENVIRON.get("ROUNDHOUSE_REQUIRE_SERVICES") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return python


@pytest.fixture(scope="session")
def litellm_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
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
def mlx_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real mlx_lm.server with a tiny random model, whose folder is called ``noise``."""
    python = peer_python("ROUNDHOUSE_MLX_PYTHON", ".venv-mlx")
    folder = tmp_path_factory.mktemp("mlx")
    mlx.make_noise(ROOT / "scripts" / "make_noise_mlx.py", folder / "noise")
    with mlx.mlx_server(python, folder / "noise", folder, ENVIRON) as url:
        yield url


@pytest.fixture
async def echo() -> AsyncIterator[Subject]:
    """The fake."""
    async with Upstream(api_key="secret") as upstream:
        backend = OpenAICompatible("echo", upstream.url, api_key="secret")
        yield Subject(backend, "echo", "echo")
        await backend.close()


@pytest.fixture
async def lmstudio() -> AsyncIterator[Subject]:
    """LM Studio as its documents describe it."""
    async with FakeLMStudio() as fake:
        backend = LMStudio("studio", fake.url)
        yield Subject(backend, "echo", "text-embed")
        await backend.close()


@pytest.fixture
async def llamacpp() -> AsyncIterator[Subject]:
    """The embedded runtime."""
    noise = LoadableModel("roundhouse/noise", NOISE, NOISE.stat().st_size, 4096, "llama", has_chat_template=True)
    limits = RuntimeLimits(memory=1 << 30, threads=1)
    backend = LlamaCpp("local", lambda: [noise], limits=limits, events=Events(), environ=ENVIRON)
    yield Subject(backend, "roundhouse/noise", "roundhouse/noise")
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
        yield Subject(backend, "echo", "text-embed")
        await backend.close()


@pytest.fixture
async def vllm() -> AsyncIterator[Subject]:
    """vLLM, which has one model in each process; this one does not embed."""
    async with FakeVLLM() as fake:
        backend = VLLM("vllm", fake.url)
        yield Subject(backend, "echo", None)
        await backend.close()


@pytest.fixture
async def proxied(litellm_url: str) -> AsyncIterator[Subject]:
    """LiteLLM's proxy."""
    backend = LiteLLM("litellm", litellm_url, api_key=litellm.KEY)
    yield Subject(backend, litellm.CHAT_MODEL, litellm.EMBEDDING_MODEL)
    await backend.close()


@pytest.fixture
async def mlx_lm(mlx_url: str) -> AsyncIterator[Subject]:
    """mlx_lm.server, which has no embeddings."""
    backend = MLX("mlx", f"{mlx_url}/v1")
    yield Subject(backend, "noise", None)
    await backend.close()


@pytest.fixture
async def ollama() -> AsyncIterator[Subject]:
    """Ollama's own API, as the fake has it."""
    async with FakeOllama() as fake:
        backend = Ollama.at("ollama", fake.url, SystemClock())
        yield Subject(backend, "echo:latest", "embed:latest")
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
    workshop = Workshop(Events(), SystemClock(), {}, Path())
    return Anthropic.made(Wish(name, "anthropic", url, (key,), models=models), workshop)


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
        "llama_router",
        "ollama",
        "gemini",
        "vllm",
        pytest.param("llamacpp", marks=pytest.mark.slow),
        pytest.param("llama_server", marks=pytest.mark.slow),
        pytest.param("proxied", marks=[pytest.mark.slow, pytest.mark.peer, pytest.mark.xdist_group("litellm")]),
        pytest.param(
            "proxied_anthropic", marks=[pytest.mark.slow, pytest.mark.peer, pytest.mark.xdist_group("litellm")]
        ),
        pytest.param("mlx_lm", marks=[pytest.mark.slow, pytest.mark.peer, pytest.mark.xdist_group("mlx")]),
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


def text_of(chunks: list[Chunk]) -> str:
    """What a reader of these chunks would see."""
    said = ""
    for chunk in chunks:
        for choice in json.loads(chunk.data)["choices"]:
            said += choice.get("text") or (choice.get("delta") or {}).get("content") or ""
    return said


async def test_it_lists_what_it_serves(subject: Subject) -> None:
    """A deployment carries the backend's name and is on this machine."""
    deployment = await subject.deployment()
    assert (subject.backend.name, True) == (deployment.backend, deployment.local)


async def test_it_is_well(subject: Subject) -> None:
    """A backend that answers says so, in words."""
    health = await subject.backend.health()
    assert (True, True) == (health.ok, bool(health.detail))


async def test_it_answers_a_chat(subject: Subject) -> None:
    """A whole answer is OpenAI's JSON and says what was used."""
    answer = await subject.backend.answer(ask_chat(), await subject.deployment())
    assert json.loads(answer.data)["choices"][0]["message"]["content"]
    assert answer.usage is not None
    assert answer.usage.prompt > 0
    assert answer.usage.completion > 0


async def test_it_streams_a_chat(subject: Subject) -> None:
    """A stream shows something, then finishes, and says what was used even if the client did not ask."""
    chunks = [chunk async for chunk in subject.backend.stream(ask_chat(stream=True), await subject.deployment())]
    assert text_of(chunks)
    assert [True] == [chunk.final for chunk in chunks if chunk.final]
    assert [True] == [chunk.usage.completion > 0 for chunk in chunks if chunk.usage is not None]


async def test_text_is_visible_before_the_end(subject: Subject) -> None:
    """The point of no return is the first chunk with text, not the last."""
    chunks = [chunk async for chunk in subject.backend.stream(ask_chat(stream=True), await subject.deployment())]
    visible = [number for number, chunk in enumerate(chunks) if chunk.visible]
    final = [number for number, chunk in enumerate(chunks) if chunk.final]
    assert visible[0] < final[0]


async def test_a_lone_usage_chunk_is_marked(subject: Subject) -> None:
    """What only carries the usage can be kept from clients that did not ask for it."""
    chunks = [chunk async for chunk in subject.backend.stream(ask_chat(stream=True), await subject.deployment())]
    assert [[]] == [json.loads(chunk.data)["choices"] for chunk in chunks if chunk.usage_only]


async def test_it_completes(subject: Subject) -> None:
    """The old completion endpoint works too, whole."""
    if not subject.completes:
        pytest.skip("it only chats")
    answer = await subject.backend.answer(ask_completion(), await subject.deployment())
    assert json.loads(answer.data)["choices"][0]["text"]


async def test_it_streams_a_completion(subject: Subject) -> None:
    """The old completion endpoint works too, streamed."""
    if not subject.completes:
        pytest.skip("it only chats")
    request = ask_completion(stream=True)
    chunks = [chunk async for chunk in subject.backend.stream(request, await subject.deployment())]
    assert text_of(chunks)
    assert any(chunk.final for chunk in chunks)


async def test_it_embeds(subject: Subject, embedding: str) -> None:
    """Floats by default."""
    answer = await subject.backend.answer(ask_embedding(), await subject.deployment(embedding))
    vector = json.loads(answer.data)["data"][0]["embedding"]
    assert all(isinstance(number, float) for number in vector)


async def test_base64_embeddings_are_the_same_numbers(subject: Subject, embedding: str) -> None:
    """The encoding that the OpenAI SDK asks for by default, also from backends that only know floats."""
    deployment = await subject.deployment(embedding)
    floats = await subject.backend.answer(ask_embedding(encoding_format="float"), deployment)
    packed = await subject.backend.answer(ask_embedding(encoding_format="base64"), deployment)
    expected = json.loads(floats.data)["data"][0]["embedding"]
    raw = b64decode(json.loads(packed.data)["data"][0]["embedding"])
    assert pytest.approx(expected, abs=1e-6) == list(struct.unpack(f"<{len(expected)}f", raw))


async def test_a_wrong_request_is_not_for_others_to_try(subject: Subject) -> None:
    """A body that no backend could serve is the client's error."""
    with pytest.raises(SchemaError) as caught:
        await subject.backend.answer(ask(Operation.CHAT), await subject.deployment())
    assert not caught.value.retryable


async def test_a_model_that_it_lacks_may_be_elsewhere(subject: Subject) -> None:
    """Not to have a model is this backend's failure, which another may make good."""
    if not subject.knows_names:
        pytest.skip("it does not look at the name")
    known = await subject.deployment()
    gone = Deployment(known.backend, "gone", "gone", known.capabilities)
    with pytest.raises(BackendError) as caught:
        await subject.backend.answer(ask_chat(), gone)
    assert caught.value.retryable


async def test_errors_of_a_stream_come_on_iteration(subject: Subject) -> None:
    """A stream that cannot begin raises the same as a whole answer."""
    with pytest.raises(SchemaError):
        [chunk async for chunk in subject.backend.stream(ask(Operation.CHAT, stream=True), await subject.deployment())]


async def test_a_stream_may_be_left(subject: Subject) -> None:
    """Closing a stream early is no error, and the next request is served."""
    deployment = await subject.deployment()
    async with aclosing(subject.backend.stream(ask_chat(stream=True, max_tokens=500), deployment)) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            if chunk.visible:
                break
    assert (await subject.backend.answer(ask_chat(), deployment)).data


async def test_it_serves_many_at_once(subject: Subject) -> None:
    """More requests than slots all get their answers."""
    deployment = await subject.deployment()
    answers = await asyncio.gather(*[subject.backend.answer(ask_chat(), deployment) for _ in range(12)])
    assert 12 == len([answer for answer in answers if answer.usage is not None])


async def test_unknown_fields_pass_through(subject: Subject) -> None:
    """A field that we do not know is the backend's to know."""
    request = ask_chat(temperature=0.1, seed=7, metadata={"room": "shed"})
    assert (await subject.backend.answer(request, await subject.deployment())).data
