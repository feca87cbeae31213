"""A backend's answers, recorded once and given again by nginx: what is measured against them is only our own time.

Knows nothing about dialects: it keeps the last good answer of each path, and the body that asked for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil
from aiohttp import web

from roundhouse.testing.program import free_port


@dataclass(frozen=True, slots=True)
class Said:
    """One exchange."""

    asked: bytes
    answer: bytes
    content_type: str


@dataclass(slots=True)
class Tape:
    """What was said, by path, and which path was last."""

    by_path: dict[str, Said] = field(default_factory=dict)
    last: str = ""


@asynccontextmanager
async def recorded(upstream: str) -> AsyncIterator[tuple[str, Tape]]:
    """An address that passes everything on to *upstream*, and what it heard."""
    tape = Tape()

    async def pass_on(request: web.Request) -> web.Response:
        asked = await request.read()
        headers = {
            name: value for name, value in request.headers.items() if name.lower() not in {"host", "content-length"}
        }
        url = upstream + request.raw_path
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(request.method, url, data=asked or None, headers=headers) as response,
        ):
            answer = await response.read()
            kind = response.headers.get("content-type", "application/json")
            if response.status == 200:
                tape.by_path[request.path] = Said(asked, answer, kind)
                tape.last = request.path
            return web.Response(body=answer, status=response.status, headers={"content-type": kind})

    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{anything:.*}", pass_on)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", tape
    finally:
        await runner.cleanup()


@contextmanager
def played(tape: Tape, folder: Path) -> Iterator[str]:
    """The address of an nginx that says the same again."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # nginx gives up its rights before it reads
    port, locations = free_port(), []
    for number, (path, said) in enumerate(tape.by_path.items()):
        (folder / f"{number}").write_bytes(said.answer)
        kind = said.content_type.partition(";")[0]
        locations.append(
            # A file answers a POST only in the place of an error.
            f'location = "{path}" {{ error_page 405 =200 /{number}; return 405; }}\n'
            f'location = /{number} {{ root {folder}; default_type "{kind}"; types {{}} }}\n'
        )
    conf = folder / "nginx.conf"
    conf.write_text(
        f"""worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_buffer_size 64k; recursive_error_pages on;
open_file_cache max=100 inactive=1h; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
server {{ listen 127.0.0.1:{port};
{"".join(locations)} }} }}
""",
        encoding="utf-8",
    )
    process = psutil.Popen(["nginx", "-c", str(conf), "-e", str(folder / "log")])
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
