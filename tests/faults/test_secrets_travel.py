"""D10: wherever a hub redirects to, nothing secret arrives anywhere but at the hub itself, and none of it is kept."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from roundhouse.app import Roundhouse, open_roundhouse
from roundhouse.core.artifacts import TransferState
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.views import TransferView
from roundhouse.settings import load
from roundhouse.sources.connector import Guard
from roundhouse.sources.hub import HubSource
from roundhouse.sources.ranges import Remote, Validators, ask, head, open_range
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.hub import Hub

pytestmark = pytest.mark.slow

CANARIES = {"Authorization": "canary", "Cookie": "canary", "x-api-key": "canary", "api-key": "canary"}
TOKEN = "hf_canary"
STATUSES = (301, 302, 303, 307, 308)


class Pair:
    """An origin that redirects everything to another one, and what arrived at the two."""

    def __init__(self) -> None:
        self.arrived: dict[str, list[dict[str, str]]] = {"first": [], "second": []}
        self.status = 302
        self.first = self.second = ""
        self.runners: list[web.AppRunner] = []

    async def start(self) -> None:
        """Open both."""
        self.second = await self._serve("second")
        self.first = await self._serve("first")

    async def _serve(self, name: str) -> str:
        async def answer(request: web.Request) -> web.StreamResponse:
            self.arrived[name].append(dict(request.headers))
            if name == "first":
                return web.Response(status=self.status, headers={"Location": self.second + str(request.rel_url)})
            return web.Response(body=b"weights", content_type="application/octet-stream")

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self.runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    def leaked(self) -> int:
        """Canaries that arrived where they must not."""
        names = {name.lower() for name in CANARIES}
        return sum(
            name.lower() in names or "canary" in value
            for headers in self.arrived["second"]
            for name, value in headers.items()
        )


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """Both, open."""
    pair = Pair()
    await pair.start()
    yield pair
    for runner in pair.runners:
        await runner.cleanup()


async def test_no_credential_follows_a_redirect_to_another_origin(pair: Pair) -> None:
    """0 of 4 arrive, whichever way is asked and redirected; at the first origin all of them do."""
    remote = Remote("m.gguf", URL(f"{pair.first}/m.gguf"), Guard(["127.0.0.1"]), CANARIES)
    for pair.status in STATUSES:
        async with open_range(remote, 0, Validators(), "m") as stream:
            assert b"weights" == b"".join([piece async for piece in stream.chunks])
        await head(remote)
        async with ask(remote, {}):
            pass
    sent = [sum(name in headers for name in CANARIES) for headers in pair.arrived["first"]]
    print(f"D10: {len(sent)} redirects with {sum(sent)} canaries, {pair.leaked()} arrived elsewhere")
    assert ([4] * 15, 15, 0) == (sent, len(pair.arrived["second"]), pair.leaked())


async def test_the_token_follows_no_redirect_of_metadata(pair: Pair) -> None:
    """What huggingface_hub asks goes through the same rule."""
    for pair.status in STATUSES:
        with pytest.raises(RoundhouseError):
            await HubSource(pair.first, token=TOKEN).resolve("hf:acme/m")
    sent = sum(TOKEN in headers.get("Authorization", "") for headers in pair.arrived["first"])
    print(f"D10: {sent} questions with a token, {pair.leaked()} tokens arrived elsewhere")
    assert (True, True, 0) == (sent >= len(STATUSES), len(pair.arrived["second"]) >= len(STATUSES), pair.leaked())


async def over(roundhouse: Roundhouse, view: TransferView) -> None:
    """Wait for the end of a transfer."""
    async with asyncio.timeout(30):
        while not TransferState(view.state).over:
            await asyncio.sleep(0.01)
            view = await roundhouse.management.transfer(view.id)


async def test_the_token_is_found_nowhere_on_the_disk(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A pull with a token leaves it in no file of the home, no row, no log and no error."""
    home = tmp_path / "home"
    (home / "run").mkdir(parents=True)
    async with Hub(tokens={TOKEN: frozenset({"acme/m"})}) as hub:
        hub.add("acme/m", {"m-Q4_K_M.gguf": a_gguf(bytes(20_000))}, gated=True, license="mit")
        hub.add("acme/closed", {"m-Q4_K_M.gguf": b"x"}, gated=True, license="mit")
        flags = {"downloads.endpoint": hub.endpoint, "discovery.enabled": False}
        settings = load(home=home, flags=flags, environment={"HF_TOKEN": TOKEN})
        async with open_roundhouse(settings, url="http://127.0.0.1:8484") as roundhouse:
            desk, errors = roundhouse.management, []
            for ref in ("hf:acme/m", "hf:acme/closed", "hf:acme/nobody"):
                try:
                    started = await desk.start_pull(ref, None, by="admin")
                    await over(roundhouse, started)
                except RoundhouseError as error:
                    errors.append(str(error.to_dict()))
            transfers = str(await desk.transfers())
        seen = sum(TOKEN in str(each.headers) for each in hub.seen)
    files = [path for path in home.rglob("*") if path.is_file()]
    found = [path for path in files if TOKEN.encode() in path.read_bytes()]
    told = capfd.readouterr()
    print(f"X12: the token was sent {seen} times; found in {len(found)} of {len(files)} files")
    assert (True, []) == (seen > 0, found)
    assert TOKEN not in f"{errors} {transfers} {told.out} {told.err} {settings!r}"
