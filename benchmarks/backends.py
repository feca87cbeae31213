"""What the room of backends promises: failures that cost little, batches, the embedded runtime's queue, thin adapters.

    python -m benchmarks.backends [--rounds 3] [--seconds 5]

- failures: wrk → Roundhouse → two nginx, of which each answers every tenth request with 500; beside the same without.
- adapters: one answer through each kind beside the same bytes sent by hand, against answers recorded from its fake.
- batching: single embeddings at once through the kind `ollama`, beside the same sent one by one, against a fake Ollama
  that takes 4 ms for a call and 0.1 ms for each text in it, one call at a time.
- queue: 64 chats at once through the embedded llama.cpp with the bundled tiny model.

Writes ``benchmarks/results/backends.md``. Needs `nginx` and `wrk`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from aiohttp import web
from benchmarks.adapters import KINDS, Added, adapter, deployment_of, made, report
from benchmarks.contestants import ANSWER, BODY, MODELS, Contestant, running
from benchmarks.gateway import LUA, RESULTS, machine, table

from roundhouse.app import open_roundhouse
from roundhouse.settings import load
from roundhouse.sources.bundled import NOISE_MODEL
from roundhouse.testing.asking import ask_chat, ask_embedding
from roundhouse.testing.ollama import FakeOllama
from roundhouse.testing.program import free_port


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each run of wrk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="roundhouse-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        good, bad, failed = _failures(folder, options.rounds, options.seconds)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            adapters = [runner.run(adapter(kind, folder / kind)) for kind in KINDS]
            single, batched = runner.run(_batching())
            rate = runner.run(_queue())
    report = _report(options, (good, bad, failed), adapters, (single, batched), rate)
    print(report)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "backends.md").write_text(report, encoding="utf-8")
    return 0


def _failures(folder: Path, rounds: int, seconds: int) -> tuple[float, float, float]:
    """Requests per second without failures and with them, and the share of those with them that went wrong."""
    rates: dict[str, list[float]] = {"good": [], "bad": []}
    asked = wrong = 0
    with ExitStack() as stack:
        houses = {}
        for name in rates:
            place = folder / name
            place.mkdir()
            urls = [_upstream(stack, place / f"nginx{each}", fails=name == "bad") for each in range(2)]
            houses[name] = stack.enter_context(running(_house(place, urls), place)).contestant.url
        for house in houses.values():
            _wrk(house, folder, 2)
        for _ in range(rounds):
            for name, house in houses.items():
                requests, took_s, errors = _wrk(house, folder, seconds)
                rates[name].append(requests / took_s)
                if name == "bad":
                    asked, wrong = asked + requests, wrong + errors
                elif errors:
                    sys.exit(f"{errors} errors where nothing fails")
    return statistics.median(rates["good"]), statistics.median(rates["bad"]), wrong / asked


def _upstream(stack: ExitStack, folder: Path, *, fails: bool) -> str:
    """An nginx with a constant answer, or with a failure for every tenth."""
    folder.mkdir()
    folder.chmod(0o755)
    port = free_port()
    error = json.dumps({"error": {"message": "planned failure", "type": "server_error"}})
    (folder / "nginx.conf").write_text(
        f"""worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_buffer_size 64k; default_type application/json;
client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
split_clients "$request_id" $fails {{ {"10%" if fails else "0.01%"} {"yes" if fails else "no"}; * no; }}
server {{ listen 127.0.0.1:{port};
location = /v1/models {{ return 200 '{json.dumps(MODELS)}'; }}
location / {{ if ($fails = yes) {{ return 500 '{error}'; }} return 200 '{json.dumps(ANSWER)}'; }} }} }}
""",
        encoding="utf-8",
    )
    command = ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "log")]
    process = subprocess.Popen(command)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return f"http://127.0.0.1:{port}"


def _house(folder: Path, urls: Sequence[str]) -> Contestant:
    """`roundhouse up` with two backends that serve the same model."""
    home, port = folder / "home", free_port()
    home.mkdir()
    sections = "".join(f'[backends.mock{number}]\nurl = "{url}/v1"\n' for number, url in enumerate(urls))
    (home / "roundhouse.toml").write_text(f"[discovery]\nenabled = false\n{sections}", encoding="utf-8")
    command = (str(Path(sys.executable).parent / "roundhouse"), "up", "--home", str(home), "--port", str(port))
    return Contestant(f"roundhouse-{folder.name}", command, f"http://127.0.0.1:{port}", "", "")


def _wrk(url: str, folder: Path, seconds: int) -> tuple[int, float, int]:
    """Requests, seconds, and answers that were no success."""
    script = folder / "chat.lua"
    script.write_text(LUA.format(body=json.dumps(BODY), headers=""), encoding="utf-8")
    command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "--timeout", "30s", "-s", str(script)]
    done = subprocess.run([*command, f"{url}/v1/chat/completions"], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    return said["requests"], said["us"] / 1e6, said["errors"]


class _Slow(FakeOllama):
    """One that takes its time for each call, and serves one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = asyncio.Lock()

    async def _embed(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        async with self._turn:
            await asyncio.sleep(0.004 + 0.0001 * len(texts))
            return await super()._embed(request, body)


async def _batching(count: int = 512, at_once: int = 64) -> tuple[float, float]:
    """Embeddings per second one by one, and through the adapter."""
    async with _Slow() as fake:
        async with aiohttp.ClientSession() as session:

            async def by_hand(number: int) -> None:
                body = {"model": "embed:latest", "input": [f"text {number}"]}
                async with session.post(f"{fake.url}/api/embed", json=body) as response:
                    await response.read()

            single = await _rate(by_hand, count, at_once)
        async with made("ollama", fake.url) as backend:
            deployment = await deployment_of(backend, "embed:latest")

            async def through(number: int) -> None:
                await backend.answer(ask_embedding(f"other text {number}"), deployment)

            return single, await _rate(through, count, at_once)


async def _queue(count: int = 256, at_once: int = 64) -> float:
    """Chats of 16 tokens per second through the queue of the embedded runtime."""
    with tempfile.TemporaryDirectory(prefix="roundhouse-bench-") as home:
        (Path(home) / "run").mkdir()
        settings = load(home=Path(home), flags={"discovery.enabled": False, "downloads.offline": True})
        async with open_roundhouse(settings, url="http://127.0.0.1:8484") as house:

            async def chat(number: int) -> None:
                request = ask_chat(f"number {number}", max_tokens=16)
                profile = replace(request.profile, model=NOISE_MODEL)
                await house.rooms.serving.answer(replace(request, id=f"bench-{number}", profile=profile))

            await chat(-1)
            return await _rate(chat, count, at_once)


async def _rate(act: Callable[[int], Awaitable[None]], count: int, at_once: int) -> float:
    places = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with places:
            await act(number)

    begun = time.perf_counter()
    await asyncio.gather(*[one(number) for number in range(count)])
    return count / (time.perf_counter() - begun)


def _report(
    options: argparse.Namespace,
    failures: tuple[float, float, float],
    adapters: Sequence[Added],
    batching: tuple[float, float],
    rate: float,
) -> str:
    good, bad, wrong = failures
    single, batched = batching
    most = max(max(each.whole.adds, each.stream.adds) for each in adapters)
    promises = [
        ["throughput lost at 10 % failures", f"{1 - bad / good:.1%}", "< 20 %", 1 - bad / good < 0.2],
        ["most that an adapter adds", f"{most:.3f} ms", "≤ 0.5 ms", most <= 0.5],
        ["embedded queue, tiny model", f"{rate:.0f} requests/s", "≥ 20 requests/s", rate >= 20],
        ["embeddings in batches", f"{batched / single:.1f} times", "a gain", batched > single],
    ]
    return "\n".join(
        [
            "# Backends",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {machine()}.",
            "",
            *table(
                ["promise", "measured", "wanted", ""],
                [[*map(str, each[:3]), "kept" if each[3] else "**missed**"] for each in promises],
            ),
            "",
            "## Failures",
            "",
            f"16 connections, medians of {options.rounds} rounds of {options.seconds} s; two upstreams, each of which",
            "answers every tenth request with 500, and the other one is tried.",
            "",
            *table(
                ["", "requests/s", "answered with an error"],
                [["nothing fails", f"{good:,.0f}", "0 %"], ["one call in ten fails", f"{bad:,.0f}", f"{wrong:.2%}"]],
            ),
            "",
            *report(adapters),
            "## Batches and queues",
            "",
            "512 single embeddings, 64 at a time, against a fake Ollama that takes 4 ms for each call and 0.1 ms for",
            f"each text: {single:,.0f} per second one by one, {batched:,.0f} through the kind `ollama`.",
            "",
            "256 chats of up to 16 tokens, 64 at a time, through the embedded llama.cpp with the bundled model:",
            f"{rate:.0f} per second.",
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
