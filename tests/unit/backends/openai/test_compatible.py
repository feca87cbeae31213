import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.backends.openai.connection import Terms, is_loopback
from roundhouse.core.errors import BackendError, DeadlineError, LimitError, NetworkError, RoundhouseError
from roundhouse.core.inference import Capability, Chunk, Deployment, InferenceRequest
from roundhouse.testing.asking import ask_chat, ask_embedding
from roundhouse.testing.upstream import Fault, Planned, Upstream

ECHO = Deployment("echo", "echo", "echo", frozenset({Capability.CHAT}))


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """The fake server."""
    async with Upstream(api_key="secret-key") as server:
        yield server


@pytest.fixture
async def backend(upstream: Upstream) -> AsyncIterator[OpenAICompatible]:
    """A backend that speaks to it, and does not wait long in silence."""
    adapter = OpenAICompatible("echo", upstream.url, api_key="secret-key", terms=Terms(idle_s=0.2, list_s=0.5))
    yield adapter
    await adapter.close()


async def drain(backend: OpenAICompatible, request: InferenceRequest, chunks: list[Chunk] | None = None) -> list[Chunk]:
    """All chunks of a stream, in *chunks* also those that came before a failure."""
    chunks = [] if chunks is None else chunks
    async for chunk in backend.stream(request, ECHO):
        chunks.append(chunk)
    return chunks


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://h:1", "http://h:1/v1"),
        ("http://h:1/", "http://h:1/v1"),
        ("http://h:1/v1", "http://h:1/v1"),
        ("http://h:1/v1/", "http://h:1/v1"),
        ("http://h/proxy", "http://h/proxy/v1"),
        ("http://h/api/paas/v4", "http://h/api/paas/v4"),
        ("http://h/v1beta/openai", "http://h/v1beta/openai"),
    ],
)
def test_the_base_address_may_name_its_version(given: str, used: str) -> None:
    """With or without ``/v1``, with or without a slash."""
    assert used == OpenAICompatible("b", given).url


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:1", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("https://api.test", False),
        ("http://127.0.0.1.example.test", False),
    ],
)
def test_local_is_told_from_the_address(url: str, *, local: bool) -> None:
    """Nothing that leaves the machine is called local."""
    assert local == is_loopback(url)


async def test_configured_models_are_all_that_is_used(upstream: Upstream) -> None:
    """Also those that the list does not name."""
    few = OpenAICompatible("few", upstream.url, api_key="secret-key", models=["echo", "hidden"])
    assert ["echo", "hidden"] == [each.model for each in await few.deployments()]
    await few.close()


async def test_the_upstream_gets_its_own_name_and_our_key(backend: OpenAICompatible, upstream: Upstream) -> None:
    """What the client sent as key or model name does not reach the backend."""
    await backend.answer(ask_chat(model="fast"), ECHO)
    seen = upstream.seen[-1]
    assert ("echo", "Bearer secret-key") == (seen.body["model"], seen.headers["Authorization"])


async def test_connections_are_kept(backend: OpenAICompatible, upstream: Upstream) -> None:
    """Whole answers, and streams that were read to their end, each give their connection back."""
    for _ in range(3):
        await backend.answer(ask_chat(), ECHO)
        await drain(backend, ask_chat(stream=True))
    assert 2 == upstream.connections


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Planned(Fault.STATUS, 500), BackendError),
        (Planned(Fault.STATUS, 429, (("Retry-After", "3"),)), LimitError),
        (Planned(Fault.NOT_JSON), BackendError),
        (Planned(Fault.CUT), NetworkError),
    ],
)
async def test_a_failure_has_a_name(
    backend: OpenAICompatible, upstream: Upstream, fault: Planned, error: type[RoundhouseError]
) -> None:
    """Every failure is an error of ours that may be tried elsewhere and says whose it is."""
    upstream.plan(fault, times=2)
    with pytest.raises(error, match=r"^echo: ") as caught:
        await backend.answer(ask_chat(), ECHO)
    assert caught.value.retryable
    assert upstream.fired[fault.fault]


@pytest.mark.parametrize(
    ("fault", "error", "visible"),
    [
        (Fault.STATUS, BackendError, 0),
        (Fault.CUT_BEFORE_TEXT, NetworkError, 0),
        (Fault.CUT_IN_TEXT, NetworkError, 1),
        (Fault.STALL_IN_TEXT, NetworkError, 1),
        (Fault.ERROR_IN_STREAM, BackendError, 0),
        (Fault.NOT_JSON, BackendError, 0),
        (Fault.NO_END, BackendError, 3),
    ],
)
async def test_a_failure_of_a_stream_has_a_name(
    backend: OpenAICompatible, upstream: Upstream, fault: Fault, error: type[RoundhouseError], visible: int
) -> None:
    """After what was said before it, and never instead of it."""
    upstream.plan(fault)
    chunks: list[Chunk] = []
    with pytest.raises(error, match=r"^echo: "):
        await drain(backend, ask_chat(stream=True), chunks)
    assert visible == sum(chunk.visible for chunk in chunks)
    assert upstream.fired[fault]


async def test_a_forgotten_finish_reason_is_added(backend: OpenAICompatible, upstream: Upstream) -> None:
    """``[DONE]`` alone completes an answer."""
    upstream.plan(Fault.NO_FINISH)
    chunks = await drain(backend, ask_chat(stream=True))
    assert (True, 1) == (chunks[-1].final, upstream.fired[Fault.NO_FINISH])


async def test_the_deadline_holds(backend: OpenAICompatible, upstream: Upstream) -> None:
    """A backend that says nothing is given up, whether it should answer at once or in pieces."""
    upstream.plan(Fault.STALL, times=2)
    with pytest.raises(DeadlineError):
        await backend.answer(ask_chat(timeout_s=0.1), ECHO)
    with pytest.raises(DeadlineError):
        await drain(backend, ask_chat(stream=True, timeout_s=0.1))
    assert 2 == upstream.fired[Fault.STALL]


async def test_waiting_for_the_first_byte_is_not_silence(backend: OpenAICompatible, upstream: Upstream) -> None:
    """A model that takes long to load or read may do so until the deadline."""
    upstream.plan(Fault.STALL)
    task = asyncio.create_task(drain(backend, ask_chat(stream=True)))
    await upstream.until(lambda: upstream.fired[Fault.STALL] == 1)
    asyncio.get_running_loop().call_later(0.4, upstream.release.set)
    assert (await task)[-1].usage is not None


async def test_leaving_a_stream_stops_the_work_upstream(backend: OpenAICompatible, upstream: Upstream) -> None:
    """The backend notices that nobody listens any more."""
    upstream.plan(Fault.STALL_IN_TEXT)
    async with aclosing(backend.stream(ask_chat(stream=True), ECHO)) as chunks:
        async for chunk in chunks:
            if chunk.visible:
                break
    await upstream.until(lambda: upstream.abandoned == 1)


async def test_cancelling_an_answer_stops_the_work_upstream(backend: OpenAICompatible, upstream: Upstream) -> None:
    """The same for a whole answer."""
    upstream.plan(Fault.STALL)
    task = asyncio.create_task(backend.answer(ask_chat(), ECHO))
    await upstream.until(lambda: upstream.fired[Fault.STALL] == 1)
    task.cancel()
    await upstream.until(lambda: upstream.abandoned == 1)


async def test_a_stale_connection_is_replaced(backend: OpenAICompatible, upstream: Upstream) -> None:
    """A kept connection that the server closed meanwhile costs a try of ours, not the request."""
    await backend.answer(ask_chat(), ECHO)
    upstream.plan(Fault.CUT)
    assert (await backend.answer(ask_chat(), ECHO)).usage is not None
    assert 1 == upstream.fired[Fault.CUT]


async def test_nobody_there_is_a_network_error() -> None:
    """A backend that is not running says so when it is asked anything."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        backend = OpenAICompatible("gone", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(NetworkError, match="cannot be reached"):
            await backend.answer(ask_chat(), ECHO)
        with pytest.raises(NetworkError, match=r"cannot be reached: Connection refused$"):
            await backend.deployments()
        assert not (await backend.health()).ok
        await backend.close()


@pytest.mark.parametrize("host", ["box..lan:8000", f"{'a' * 64}.lan"])
async def test_a_host_that_cannot_be_looked_up_cannot_be_reached(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python says so with an error of its own, before any name server is asked: as here."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, *_, **__: name.encode("idna"))
    backend = OpenAICompatible("box", f"http://{host}")
    for asked in (backend.deployments(), backend.answer(ask_chat(), ECHO), drain(backend, ask_chat(stream=True))):
        with pytest.raises(NetworkError, match="no host can have that name"):
            await asked
    assert not (await backend.health()).ok
    await backend.close()


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_an_endless_list_is_not_read(encoding: str) -> None:
    """It would be decoded while everybody waits; neither when it is small on its way here."""
    data = b'{"data": [%b]}' % b",".join([b'{"id": "m"}'] * (2 << 20))
    body = gzip.compress(data, 1) if encoding == "gzip" else data

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Encoding": encoding}, content_type="application/json")

    app = web.Application()
    app.router.add_get("/v1/models", answer)
    async with TestServer(app) as server:
        backend = OpenAICompatible("endless", str(server.make_url("")), terms=Terms(list_s=60.0))
        with pytest.raises(BackendError, match="larger than"):
            await backend.deployments()
        await backend.close()


async def test_a_refused_key_is_named_but_not_shown(upstream: Upstream) -> None:
    """The message helps to fix it and does not leak it."""
    backend = OpenAICompatible("echo", upstream.url, api_key="planned failure")
    with pytest.raises(BackendError, match="key is refused"):
        await backend.answer(ask_chat(), ECHO)
    upstream._api_key = "planned failure"
    upstream.plan(Fault.STATUS)
    with pytest.raises(BackendError) as caught:
        await backend.answer(ask_chat(), ECHO)
    assert "planned failure" not in caught.value.message
    await backend.close()


async def test_a_backend_of_floats_is_learnt() -> None:
    """Its refusal of base64 costs one extra request, once."""
    async with Upstream(floats_only=True) as upstream:
        backend = OpenAICompatible("echo", upstream.url)
        for _ in range(2):
            await backend.answer(ask_embedding(encoding_format="base64"), ECHO)
        assert ["base64", "float", "float"] == [seen.body["encoding_format"] for seen in upstream.seen]
        await backend.close()


async def test_an_answer_instead_of_a_stream_is_a_failure(backend: OpenAICompatible, upstream: Upstream) -> None:
    """Some proxies ignore ``stream``."""
    upstream.plan(Planned(Fault.STATUS, 200, body=b'{"choices":[{"message":{"content":"a"}}]}'))
    with pytest.raises(BackendError, match="in one piece"):
        await drain(backend, ask_chat(stream=True))


async def test_an_error_with_a_friendly_status_is_an_error(backend: OpenAICompatible, upstream: Upstream) -> None:
    """200 with an error object, whole."""
    upstream.plan(Planned(Fault.STATUS, 200))
    with pytest.raises(BackendError, match="planned failure"):
        await backend.answer(ask_chat(), ECHO)


async def test_redirects_are_not_followed(backend: OpenAICompatible, upstream: Upstream) -> None:
    """Our key would go along."""
    upstream.plan(Planned(Fault.STATUS, 307, (("Location", f"{upstream.url}/v1/completions"),)))
    with pytest.raises(BackendError, match="redirect"):
        await backend.answer(ask_chat(), ECHO)
    assert 1 == len(upstream.seen)


async def test_a_list_that_is_missing_is_made_up_by_configuration() -> None:
    """A backend without a list of models can still be used by name, and only then."""
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    named, nameless = OpenAICompatible("a", url, models=["m"]), OpenAICompatible("b", url)
    assert ["m"] == [each.model for each in await named.deployments()]
    with pytest.raises(BackendError):
        await nameless.deployments()
    await asyncio.gather(named.close(), nameless.close(), runner.cleanup())


async def test_tool_calls_come_through(backend: OpenAICompatible) -> None:
    """A streamed tool call is visible, and its finish reason is final."""
    tools = [{"type": "function", "function": {"name": "turn", "parameters": {}}}]
    chunks = await drain(backend, ask_chat(stream=True, tools=tools))
    calls = [json.loads(chunk.data)["choices"][0]["delta"]["tool_calls"] for chunk in chunks if chunk.visible]
    assert "turn" == calls[0][0]["function"]["name"]
