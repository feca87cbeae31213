import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from roundhouse.backends.discovery import discover
from roundhouse.testing.lmstudio import Api, FakeLMStudio

Serve = Callable[[Mapping[str, object]], Awaitable[str]]

OLLAMA = {
    "/api/version": {"version": "0.12.3"},
    "/api/tags": {"models": [{"name": "llama3.2:3b"}, {"name": "big:cloud", "remote_host": "https://ollama.test"}]},
}
STUDIO_V1 = {
    "/api/v1/models": {"models": [{"key": "qwen", "type": "llm", "loaded_instances": [{"id": "qwen"}]}]},
}
STUDIO = {"/api/v0/models": {"object": "list", "data": [{"id": "qwen", "type": "llm", "state": "loaded"}]}}
LLAMA = {
    "/health": {"status": "ok"},
    "/props": {"default_generation_settings": {"n_ctx": 1024}, "total_slots": 4, "build_info": "b6700"},
    "/v1/models": {"object": "list", "data": [{"id": "tiny", "owned_by": "llamacpp"}]},
}
ROUTER = {
    "/props": {"role": "router", "default_generation_settings": {"params": None, "n_ctx": 0}, "build_info": "b8000"},
    "/v1/models": LLAMA["/v1/models"],
}
MLX = {"/health": {"status": "ok"}, "/v1/models": {"object": "list", "data": [{"id": "/models/tiny"}]}}
VLLM = {
    "/version": {"version": "0.11.0"},
    "/v1/models": {"object": "list", "data": [{"id": "org/model", "owned_by": "vllm"}]},
}
KINDS = ("ollama", "lmstudio", "llamacpp", "mlx", "vllm")
#: For servers that do answer, on a machine that is busy with other tests.
PATIENCE_S = 10.0


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a web server that answers these paths with JSON (text as HTML), and 404 elsewhere."""
    async with AsyncExitStack() as stack:

        async def start(answers: Mapping[str, object]) -> str:
            async def respond(request: web.Request) -> web.Response:
                answer = answers.get(request.path)
                if answer is None:
                    raise web.HTTPNotFound
                if isinstance(answer, str):
                    return web.Response(text=answer, content_type="text/html")
                server = "BaseHTTP/0.6 Python/3.11.7" if answers is MLX else "other"
                return web.json_response(answer, headers={"Server": server})

            app = web.Application()
            app.router.add_get("/{path:.*}", respond)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            return f"http://127.0.0.1:{runner.addresses[0][1]}"

        yield start


@pytest.mark.parametrize(
    ("kind", "answers", "detail", "models"),
    [
        ("ollama", OLLAMA, "Ollama 0.12.3", ("llama3.2:3b",)),
        ("lmstudio", STUDIO_V1, "LM Studio; loaded: 1 of 1", ("qwen",)),
        ("lmstudio", STUDIO, "LM Studio; loaded: 1 of 1", ("qwen",)),
        ("llama-server", LLAMA, "llama-server b6700; slots: 4", ("tiny",)),
        ("llama-server", ROUTER, "llama-server b8000; router", ("tiny",)),
        ("mlx", MLX, "mlx_lm.server", ("/models/tiny",)),
        ("vllm", VLLM, "vLLM 0.11.0", ("org/model",)),
    ],
)
async def test_each_runtime_is_found(
    serve: Serve, kind: str, answers: Mapping[str, object], detail: str, models: tuple[str, ...]
) -> None:
    """With its version where it tells one, and its models; models in a cloud are not on this machine."""
    url = await serve(answers)
    found = await discover({"llamacpp" if kind == "llama-server" else kind: url}, within_s=PATIENCE_S)
    assert [(kind, url, detail, models)] == [(each.kind, each.url, each.detail, each.models) for each in found]


@pytest.mark.parametrize(
    "answers",
    [
        {},
        dict.fromkeys(
            ["/", "/api/version", "/props", "/health", "/version", "/v1/models", "/api/v0/models", "/api/v1/models"],
            "<html>",
        ),
        {"/api/v1/models": {"models": []}},
        {"/api/v1/models": {"models": [{"key": "a", "type": "llm"}]}},
        {"/health": {"status": "ok"}, "/version": {"version": "1"}, "/api/version": {"version": "1"}},
        {"/v1/models": {"object": "list", "data": [{"id": "gpt", "owned_by": "openai"}]}},
        {"/props": {"title": "x"}, "/version": {"version": 3}, "/api/tags": {"models": None}, "/health": {"ok": True}},
    ],
)
async def test_an_unrelated_server_is_not_taken_for_one(serve: Serve, answers: Mapping[str, object]) -> None:
    """Developers run all sorts of things on 8080."""
    url = await serve(answers)
    assert [] == list(await discover(dict.fromkeys(KINDS, url), within_s=PATIENCE_S))


@pytest.mark.parametrize("answers", [OLLAMA, STUDIO, STUDIO_V1, LLAMA, ROUTER, MLX, VLLM])
async def test_no_runtime_is_taken_for_another(serve: Serve, answers: Mapping[str, object]) -> None:
    """Two of them share a port."""
    url = await serve(answers)
    assert 1 == len(await discover(dict.fromkeys(KINDS, url), within_s=PATIENCE_S))


async def test_an_old_lm_studio_is_found_by_its_owner_name(serve: Serve) -> None:
    """Before it had an interface of its own."""
    url = await serve({"/v1/models": {"object": "list", "data": [{"id": "q", "owned_by": "organization_owner"}]}})
    assert ["lmstudio"] == [each.kind for each in await discover({"lmstudio": url}, within_s=PATIENCE_S)]


@pytest.mark.parametrize("api", list(Api))
async def test_each_lm_studio_is_found(api: Api) -> None:
    """Whatever it has of its own interfaces."""
    async with FakeLMStudio(api) as fake:
        (found,) = await discover({"lmstudio": fake.url}, within_s=PATIENCE_S)
    assert ("lmstudio", ("echo", "text-embed")) == (found.kind, found.models)


async def test_an_lm_studio_that_wants_a_key_is_found() -> None:
    """And what it needs is said, for nothing else is known of it."""
    async with FakeLMStudio(token="sk-lm-one") as fake:
        (found,) = await discover({"lmstudio": fake.url}, within_s=PATIENCE_S)
    assert ("lmstudio", (), True) == (found.kind, found.models, "needs a key" in found.detail)


@pytest.mark.parametrize("message", ["no key", 3, None])
async def test_who_else_wants_a_key_is_no_lm_studio(message: object) -> None:
    """Only LM Studio says its name."""
    async with FakeLMStudio(token="sk-lm-one") as fake:
        fake.refusal = message
        assert [] == list(await discover({"lmstudio": fake.url}, within_s=PATIENCE_S))


async def test_silence_costs_no_more_than_the_limit() -> None:
    """Something that accepts and says nothing does not hold up the start."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _reader, writer: writers.append(writer), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with asyncio.timeout(2.0):
        assert [] == list(await discover(dict.fromkeys(KINDS, url), within_s=0.05))
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    server.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "not a url", "http://[", "ftp://127.0.0.1"])
async def test_nobody_there_is_nothing_found(url: str) -> None:
    """Nor is an address that is none."""
    assert [] == list(await discover(dict.fromkeys(KINDS, url)))


async def test_a_huge_answer_is_not_read(serve: Serve) -> None:
    """Whatever it is, it is no runtime."""
    url = await serve({"/api/version": {"version": "1", "x": json.dumps("x" * (9 << 20))}})
    assert [] == list(await discover({"ollama": url}, within_s=PATIENCE_S))
