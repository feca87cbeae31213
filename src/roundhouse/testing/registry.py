"""A registry on the loopback that wants tokens and keeps its blobs elsewhere. Knows nothing about Roundhouse.

Two origins, as in life: the registry, and a storage that it redirects to and that must never see a token. What both do
with manifests, blobs and ranges is held against Debian's ``docker-registry`` by the tests.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Literal, Self

from aiohttp import web

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that arrived."""

    #: ``registry``, ``token`` or ``storage``.
    where: str
    method: str
    path: str
    token: str


@dataclass(slots=True)
class Wishes:
    """How a registry is to behave; tests change it while it runs."""

    #: Whether those who read need a token.
    token: bool = True
    #: Where tokens are said to be had, when it is not the registry itself.
    realm: str | None = None
    #: What the token server answers instead of a token.
    token_body: bytes | None = None
    #: Sent instead of the manifest that is asked for.
    manifest: bytes | None = None
    #: What goes wrong with the next answers of the storage, in order; each is taken out when it has struck.
    storage: list[Literal["cut", "wrong-bytes", "expired", "broken"]] = field(default_factory=list)
    #: Tokens that are good no longer.
    revoked: set[str] = field(default_factory=set)


class Registry:
    """The two servers; use it as an async context manager."""

    def __init__(self, wishes: Wishes | None = None) -> None:
        self.wishes = wishes or Wishes()
        self.url = self.storage = ""
        #: Every request, in order of arrival.
        self.asked: list[Asked] = []
        self._blobs: dict[str, bytes] = {}
        self._manifests: dict[tuple[str, str], bytes] = {}
        self._issued: list[str] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start both servers."""
        repository = "/v2/{repository:.+}"
        self.url = await self._serve(
            [
                web.get("/token", self._token),
                web.post(repository + "/blobs/uploads/", self._begin),
                web.put(repository + "/blobs/uploads/{id}", self._upload),
                web.put(repository + "/manifests/{reference}", self._put_manifest),
                web.get(repository + "/manifests/{reference}", self._manifest),
                web.get(repository + "/blobs/{digest}", self._blob),
            ]
        )
        self.storage = await self._serve([web.get("/data/{digest}", self._stored)])
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop both servers."""
        await self._stack.aclose()

    async def _serve(self, routes: list[web.RouteDef]) -> str:
        app = web.Application(client_max_size=1 << 30)
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        return f"http://{host}:{port}"

    def asked_of(self, where: str) -> list[Asked]:
        """The requests that arrived at one of its places."""
        return [each for each in self.asked if each.where == where]

    # Tokens

    async def _token(self, request: web.Request) -> web.Response:
        self._note("token", request)
        if self.wishes.token_body is not None:
            return web.Response(body=self.wishes.token_body, content_type="application/json")
        self._issued.append(f"token-{len(self._issued)}-{request.query.get('scope', '')}")
        return web.json_response({"token": self._issued[-1], "expires_in": 300})

    def _note(self, where: str, request: web.Request) -> str:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.asked.append(Asked(where, request.method, request.raw_path, token))
        return token

    def _refusal(self, request: web.Request) -> web.Response | None:
        """What those who read without a good token for this repository are told."""
        token, repository = self._note("registry", request), request.match_info["repository"]
        scope = f"repository:{repository}:pull"
        good = token in self._issued and token not in self.wishes.revoked and token.endswith(scope)
        if good or not self.wishes.token:
            return None
        realm = self.wishes.realm or f"{self.url}/token"
        challenge = f'Bearer realm="{realm}",service="tests",scope="{scope}"'
        return _error(401, "UNAUTHORIZED", {"WWW-Authenticate": challenge})

    # Pushing needs no token: it is not what is tested

    async def _begin(self, request: web.Request) -> web.Response:
        return web.Response(status=202, headers={"Location": f"{request.path}{uuid.uuid4().hex}?_state=x"})

    async def _upload(self, request: web.Request) -> web.Response:
        data = await request.read()
        digest = f"sha256:{await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())}"
        if digest != request.query.get("digest"):
            return _error(400, "DIGEST_INVALID")
        self._blobs[digest] = data
        return web.Response(status=201, headers={"Docker-Content-Digest": digest})

    async def _put_manifest(self, request: web.Request) -> web.Response:
        raw, repository = await request.read(), request.match_info["repository"]
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        self._manifests[repository, request.match_info["reference"]] = self._manifests[repository, digest] = raw
        return web.Response(status=201, headers={"Docker-Content-Digest": digest})

    # Reading

    async def _manifest(self, request: web.Request) -> web.Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        raw = self._manifests.get((request.match_info["repository"], request.match_info["reference"]))
        if raw is None:
            return _error(404, "MANIFEST_UNKNOWN")
        headers = {"Docker-Content-Digest": f"sha256:{hashlib.sha256(raw).hexdigest()}", "Content-Type": _MANIFEST}
        return web.Response(body=self.wishes.manifest or raw, headers=headers)

    async def _blob(self, request: web.Request) -> web.Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        digest = request.match_info["digest"]
        if digest not in self._blobs:
            return _error(404, "BLOB_UNKNOWN")
        return web.Response(status=307, headers={"Location": f"{self.storage}/data/{digest}"})

    async def _stored(self, request: web.Request) -> web.StreamResponse:
        self._note("storage", request)
        fault = self.wishes.storage.pop(0) if self.wishes.storage else None
        if fault in {"expired", "broken"}:
            return web.Response(status=403 if fault == "expired" else 503)
        data, begin = self._blobs[request.match_info["digest"]], request.http_range.start or 0
        if fault == "wrong-bytes":
            data = bytes([data[0] ^ 1]) + data[1:]
        if "Range" not in request.headers:
            if fault == "cut":
                return await _cut(request, data)
            return web.Response(body=data, content_type="application/octet-stream")
        if begin >= len(data):
            return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
        end = min(len(data), request.http_range.stop or len(data))
        headers = {"Content-Range": f"bytes {begin}-{end - 1}/{len(data)}"}
        return web.Response(status=206, body=data[begin:end], headers=headers, content_type="application/octet-stream")


async def _cut(request: web.Request, data: bytes) -> web.StreamResponse:
    """Half of what the head promises, and the end of the connection."""
    response = web.StreamResponse(headers={"Content-Length": str(len(data))})
    response.content_type = "application/octet-stream"
    response.force_close()
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def _error(status: int, code: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"errors": [{"code": code, "message": code.lower()}]}, status=status, headers=headers)
