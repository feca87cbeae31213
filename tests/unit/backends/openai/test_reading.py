"""How much of an answer is read, whatever it says of itself."""

import gzip
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from roundhouse.backends.openai import connection
from roundhouse.backends.openai.connection import Connection, Terms, read
from roundhouse.core.errors import BackendError


async def _packed(_request: web.Request) -> web.Response:
    return web.Response(body=gzip.compress(bytes(2 << 20)), headers={"Content-Encoding": "gzip"})


@pytest.fixture
async def url() -> AsyncIterator[URL]:
    """A server that packs two megabytes into two thousand bytes."""
    app = web.Application()
    app.router.add_get("/", _packed)
    async with TestServer(app) as server:
        yield server.make_url("/")


async def test_what_is_packed_counts_as_what_comes_out(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its length is that of the packed bytes."""
    monkeypatch.setattr(connection, "_MAX_ANSWER", 1 << 20)
    way = Connection(url, None, Terms())
    async with await way.get(url) as response:
        assert (response.content_length or 0) < 1 << 20
        with pytest.raises(BackendError, match="larger than"):
            await read(response)
    await way.close()
