"""A hub on the loopback that speaks the real endpoints of Hugging Face, for tests. Knows nothing about Roundhouse.

Two origins, as in life: the hub with metadata and ``resolve``, and a CDN that it redirects to with signed addresses.
Faults are planted and count how often they fired. Run it with ``python -m roundhouse.testing.hub --folder FOLDER``,
where the folder holds ``owner/name/files``.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self
from urllib.parse import quote

from aiohttp import web

from roundhouse.testing.hub_faults import Fault, FaultKind, Seen
from roundhouse.testing.hub_store import Repo, StoredFile

_PIECE = 1 << 18
#: What ``sort`` may be, and what is compared.
_ORDERS = {
    "downloads": "downloads",
    "likes": "likes",
    "lastModified": "lastModified",
    "createdAt": "createdAt",
    "trendingScore": "likes",
}


class Hub:
    """The two servers; use it as an async context manager."""

    def __init__(self, *, port: int = 0, tokens: Mapping[str, frozenset[str]] | None = None) -> None:
        self._port = port
        #: Token → repositories that it may read besides the public ones.
        self._tokens = tokens or {}
        self._repos: dict[str, Repo] = {}
        self._moved: dict[str, str] = {}
        #: Repositories that a search still finds, though they are gone.
        self.vanishing: set[str] = set()
        self._faults: list[Fault] = []
        self._closing = asyncio.Event()
        self._stack = AsyncExitStack()
        self.endpoint = self.cdn = ""
        self._sent = asyncio.Condition()
        #: Every request, in order of arrival.
        self.seen: list[Seen] = []
        #: Bytes per second that the CDN sends on one connection; ``None`` is all it can.
        self.bytes_per_s: float | None = None

    async def __aenter__(self) -> Self:
        """Start both servers."""
        self.endpoint = await self._serve(self._hub_routes(), self._port)
        self.cdn = await self._serve([web.get("/blobs/{sha256}", self._blob)], 0)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop both servers, with what still hangs in them."""
        self._closing.set()
        await self._stack.aclose()

    async def _serve(self, routes: list[web.RouteDef], port: int) -> str:
        app = web.Application()
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        host, bound = runner.addresses[0][:2]
        return f"http://{host}:{bound}"

    def _hub_routes(self) -> list[web.RouteDef]:
        api = "/api/models/{owner}/{name}"
        return [
            web.get("/api/models", self._search),
            web.get(api, self._info),
            web.get(api + "/revision/{revision}", self._info),
            web.get(api + "/tree/{revision}", self._tree),
            web.get(api + "/tree/{revision}/{path:.+}", self._tree),
            web.get(api + "/refs", self._refs),
            web.get("/{owner}/{name}/resolve/{revision}/{path:.+}", self._resolve),
        ]

    # What the hub holds

    def add(
        self, name: str, files: Mapping[str, bytes | Path], *, branch: str = "main", **facts: bool | str | int
    ) -> str:
        """Commit *files* to the repository *name*; the commit. Facts are fields of `Repo`."""
        repo = self._repos.setdefault(name, Repo(name))
        repo.license = str(facts.get("license", repo.license or "")) or None
        repo.license_name = str(facts.get("license_name", repo.license_name or "")) or None
        repo.license_link = str(facts.get("license_link", repo.license_link or "")) or None
        repo.remote_code = bool(facts.get("remote_code", repo.remote_code))
        repo.gated = bool(facts.get("gated", repo.gated))
        repo.private = bool(facts.get("private", repo.private))
        repo.downloads = int(facts.get("downloads", repo.downloads))
        repo.likes = int(facts.get("likes", repo.likes))
        repo.context = int(facts.get("context", repo.context or 0)) or None
        repo.updated_at = str(facts.get("updated_at", repo.updated_at))
        return repo.commit(files, branch)

    def add_folder(self, folder: Path) -> None:
        """Serve every ``owner/name`` below *folder*."""
        for repo in sorted(path for path in folder.glob("*/*") if path.is_dir()):
            files = {str(path.relative_to(repo).as_posix()): path for path in sorted(repo.rglob("*")) if path.is_file()}
            self.add(f"{repo.parent.name}/{repo.name}", files)

    def rename(self, old: str, new: str) -> None:
        """Move a repository; its old name redirects, as on the real hub."""
        self._repos[new] = self._repos.pop(old)
        self._moved[old] = new

    def plant(self, kind: FaultKind, *, times: int = 1, **details: int | str | None) -> Fault:
        """Let the next *times* answers go wrong in that way."""
        fault = Fault(kind, times, **details)  # type: ignore[arg-type]  # the dataclass names them
        self._faults.append(fault)
        return fault

    def _strike(self, where: str) -> Fault | None:
        """The next fault for an answer of *where*, counted as fired."""
        for fault in self._faults:
            if fault.where == where and fault.fired < fault.times:
                fault.fire()
                return fault
        return None

    @property
    def bytes_sent(self) -> int:
        """Bytes of files that left, wherever they ended up."""
        return sum(seen.sent for seen in self.seen)

    async def sends(self, count: int) -> None:
        """Wait until that many bytes of files have left in all."""
        async with self._sent:
            await self._sent.wait_for(lambda: self.bytes_sent >= count)

    def downloads(self) -> list[Seen]:
        """The requests that asked the CDN for bytes."""
        return [seen for seen in self.seen if seen.where == "cdn"]

    # Metadata

    async def _search(self, request: web.Request) -> web.StreamResponse:
        self._see("api", request)
        fault = self._strike("api")
        if fault is not None:
            return fault.response()
        query, visible = request.query, self._tokens.get(_token(request), frozenset())
        order = _ORDERS.get(query.get("sort", "downloads"))
        if order is None or not query.get("limit", "1").isdecimal():
            return _refuse(400, "", "Invalid sort or limit")
        fitting = [
            repo.found()
            for name, repo in self._repos.items()
            if repo.matches(query, query.getall("filter", [])) and (not repo.private or name in visible)
        ]
        fitting.sort(key=lambda facts: facts[order], reverse=True)  # type: ignore[arg-type,return-value]  # one kind each
        return web.json_response(fitting[: int(query.get("limit", "1000"))])

    async def _info(self, request: web.Request) -> web.StreamResponse:
        return await self._metadata(request, lambda repo, commit: repo.info(commit, blobs="blobs" in request.query))

    async def _tree(self, request: web.Request) -> web.StreamResponse:
        below = request.match_info.get("path", "")
        recursive = request.query.get("recursive", "").lower() in {"1", "true"}
        return await self._metadata(request, lambda repo, commit: repo.tree(commit, below, recursive=recursive))

    async def _refs(self, request: web.Request) -> web.StreamResponse:
        return await self._metadata(request, lambda repo, _: repo.refs())

    async def _metadata(self, request: web.Request, answer: Callable[[Repo, str], object]) -> web.StreamResponse:
        self._see("api", request)
        fault = self._strike("api")
        if fault is not None:
            return fault.response()
        found = self._find(request)
        if isinstance(found, web.Response):
            return found
        repo, commit = found
        return web.json_response(answer(repo, commit))

    def _find(self, request: web.Request) -> tuple[Repo, str] | web.Response:
        """The repository and commit that *request* names, or why not."""
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        if name in self._moved:
            target = request.raw_path.replace(name, self._moved[name], 1)
            return web.Response(status=307, headers={"Location": target})
        repo, token = self._repos.get(name), _token(request)
        if repo is None or name in self.vanishing or (repo.private and name not in self._tokens.get(token, ())):
            return _refuse(404 if token in self._tokens else 401, "RepoNotFound", "Repository not found")
        commit = repo.resolve(request.match_info.get("revision", "main"))
        if commit is None:
            return _refuse(404, "RevisionNotFound", "Invalid rev id")
        return repo, commit

    # Files

    async def _resolve(self, request: web.Request) -> web.StreamResponse:
        self._see("resolve", request)
        fault = self._strike("resolve")
        if fault is not None:
            return fault.response()
        found = self._find(request)
        if isinstance(found, web.Response):
            return found
        repo, commit = found
        token = _token(request)
        if repo.gated and repo.name not in self._tokens.get(token, ()):
            return _refuse(403 if token in self._tokens else 401, "GatedRepo", "Access to this model is restricted")
        file = repo.commits[commit].get(request.match_info["path"])
        if file is None:
            return _refuse(404, "EntryNotFound", "Entry not found")
        return self._located(commit, file)

    def _located(self, commit: str, file: StoredFile) -> web.Response:
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if not file.lfs:
            return web.Response(body=file.read(0, file.size), headers=headers | {"ETag": f'"{file.blob_id}"'})
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size), "ETag": f'"{file.blob_id}"'}
        location = f"{self.cdn}/blobs/{file.sha256}?Signature={quote(_signature(file.sha256))}"
        return web.Response(status=302, headers=headers | {"Location": location})

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        seen = self._see("cdn", request)
        fault = self._strike("cdn")
        if fault is not None and not fault.needs_file:
            return fault.response()
        sha256 = request.match_info["sha256"]
        file = next((f for repo in self._repos.values() for f in repo.files() if f.sha256 == sha256), None)
        if file is None or request.query.get("Signature") != _signature(sha256):
            return web.Response(status=403, text="Access denied")
        begin, end, response = _ranged(request, file, fault)
        if request.method == "HEAD" or response.status == 416:  # noqa: PLR2004 (nothing to send)
            return response
        await response.prepare(request)
        await self._send(response, file, (begin, end), seen, fault)
        return response

    async def _send(
        self, response: web.StreamResponse, file: StoredFile, span: tuple[int, int], seen: Seen, fault: Fault | None
    ) -> None:
        async for piece in self._pieces(file, span, fault):
            await response.write(piece)
            seen.sent += len(piece)
            async with self._sent:
                self._sent.notify_all()
        match fault and fault.kind:
            case FaultKind.CUT:
                response.force_close()
                if response._req is not None and response._req.transport is not None:  # noqa: SLF001 (cut, not ended)
                    # Not aborted: what was sent arrives, so that a test can say how much that was.
                    response._req.transport.close()  # noqa: SLF001
            case FaultKind.STALL:
                await self._closing.wait()
            case _:
                await response.write_eof()

    async def _pieces(self, file: StoredFile, span: tuple[int, int], fault: Fault | None) -> AsyncIterator[bytes]:
        begin, end = span
        if fault is not None and fault.kind in {FaultKind.CUT, FaultKind.STALL}:
            end = min(end, begin + fault.after)
        position = begin
        while position < end:
            piece = await asyncio.to_thread(file.read, position, min(_PIECE, end - position))
            if fault is not None and fault.kind is FaultKind.WRONG_BYTES and position == begin:
                piece = bytes([piece[0] ^ 1]) + piece[1:]
            position += len(piece)
            yield piece
            if self.bytes_per_s is not None:
                await asyncio.sleep(len(piece) / self.bytes_per_s)

    def _see(self, where: str, request: web.Request) -> Seen:
        seen = Seen(where, request.method, request.raw_path, dict(request.headers))
        self.seen.append(seen)
        return seen


def _ranged(request: web.Request, file: StoredFile, fault: Fault | None) -> tuple[int, int, web.StreamResponse]:
    """Where to begin and to end, and the head of the answer, after ``Range`` and ``If-Range``."""
    etag = f'"cdn-{file.sha256[:16]}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    begin = request.http_range.start or 0
    ignored = fault is not None and fault.kind is FaultKind.IGNORE_RANGE
    if ignored or request.headers.get("If-Range", etag) != etag or "Range" not in request.headers:
        return 0, file.size, web.StreamResponse(headers=headers | {"Content-Length": str(file.size)})
    if begin >= file.size:
        return 0, 0, web.Response(status=416, headers={"Content-Range": f"bytes */{file.size}"})
    end = min(file.size, request.http_range.stop or file.size)
    shown = begin + 1 if fault is not None and fault.kind is FaultKind.WRONG_RANGE else begin
    headers["Content-Range"] = f"bytes {shown}-{end - 1}/{file.size}"
    return begin, end, web.StreamResponse(status=206, headers=headers | {"Content-Length": str(end - begin)})


def _refuse(status: int, code: str, message: str) -> web.Response:
    headers = {"X-Error-Code": code, "X-Error-Message": message}
    return web.json_response({"error": message}, status=status, headers=headers)


def _token(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def _signature(sha256: str) -> str:
    return hashlib.sha256(f"signed {sha256}".encode()).hexdigest()[:24]


async def _main() -> None:
    parser = argparse.ArgumentParser(description="Serve a folder as a Hugging Face style hub on the loopback.")
    parser.add_argument("--folder", type=Path, required=True, help="holds owner/name/files")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    async with Hub(port=arguments.port) as hub:
        hub.add_folder(arguments.folder)
        print(json.dumps({"endpoint": hub.endpoint, "cdn": hub.cdn}), flush=True)  # noqa: T201 (its whole interface)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
