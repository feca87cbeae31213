"""How a backend is asked how it is, whatever its kind: by addresses that cost nobody money."""

from collections.abc import AsyncIterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from aiohttp import web

from roundhouse.core.clock import SystemClock
from roundhouse.core.events import Events
from roundhouse.core.ports import Backend
from roundhouse.core.runtimes import Wish, Workshop

KINDS = sorted(entry_points(group="roundhouse.backends"), key=lambda door: door.name)
#: What tells a version, or that it lives. `/health` of LiteLLM has every model answer, and is none of these.
LIVES = {
    "litellm": {"/health/liveliness"},
    "llama-server": {"/health"},
    "mlx": {"/health"},
    "ollama": {"/api/version"},
    "roundhouse": {"/healthz"},
    "vllm": {"/health", "/version"},
}


class Ear:
    """A server that hears what is asked, and answers all of it with one status."""

    def __init__(self, status: int) -> None:
        self.heard: list[tuple[str, str]] = []
        self._status = status
        self.url = ""

    async def respond(self, request: web.Request) -> web.Response:
        """Hear it."""
        self.heard.append((request.method, request.path))
        return web.json_response({"data": [], "models": [], "version": "1"}, status=self._status)


@pytest.fixture(params=[200, 404])
async def ear(request: pytest.FixtureRequest) -> AsyncIterator[Ear]:
    """One that knows everything, and one that knows nothing: some kinds ask elsewhere then."""
    ear, app = Ear(request.param), web.Application()
    app.router.add_route("*", "/{rest:.*}", ear.respond)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ear.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield ear
    await runner.cleanup()


@pytest.mark.parametrize("door", KINDS, ids=lambda door: door.name)
async def test_nobody_pays_for_being_well(door: EntryPoint, ear: Ear, tmp_path: Path) -> None:
    """Lists of models, versions, signs of life: no kind has a model answer for it."""
    workshop = Workshop(Events(), SystemClock(), {}, tmp_path)
    backend: Backend = door.load()(Wish("b", door.name, ear.url, keys=("sk-1",)), workshop)
    await backend.health()
    await backend.close()
    allowed = LIVES.get(door.name, set())
    assert ear.heard
    assert [] == [each for each in ear.heard if each[0] != "GET" or not (each[1] in allowed or _is_list(each[1]))]


def _is_list(path: str) -> bool:
    return path.endswith("/models")
