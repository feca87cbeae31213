"""Does it grow? ``roundhouse up`` under 50 requests a second for 1,000 seconds, and its memory all the while.

    python -m benchmarks.soak [--seconds 1000] [--rate 50]

Of ten requests four are chats in one piece, three are streams, one is embeddings, one is a stream whose client hangs up
after the first piece, and one goes to the embedded llama.cpp. Each asks something new. The upstream is a process of its
own. Writes ``benchmarks/results/soak.md``.
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
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import psutil
from benchmarks.contestants import Contestant, Running, running
from benchmarks.gateway import RESULTS, machine, table

from roundhouse.testing.program import free_port

NOISE = "roundhouse/noise"
#: Seconds at the beginning and at the end whose medians are compared; what comes first is warming up.
_WARM_S, _WINDOW_S, _LOOK_S = 100, 100, 5


def main() -> int:
    """Load, watch, write; 1 when the memory grew by a tenth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="roundhouse-soak-") as name, ExitStack() as stack:
        upstream = stack.enter_context(_upstream())
        house = stack.enter_context(running(_house(Path(name), upstream), Path(name), b"xxx"))
        command = (house.contestant.command[0], "pull", "bundled:noise", "--home", str(Path(name) / "home"))
        subprocess.run(command, check=True, capture_output=True)
        sizes, outcomes, left = asyncio.run(_soak(house, options.seconds, options.rate))
    report, growth = _report(options, sizes, outcomes, left)
    print(report)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "soak.md").write_text(report, encoding="utf-8")
    return int(growth >= 0.1)


@contextmanager
def _upstream() -> Iterator[str]:
    command = [sys.executable, "-m", "roundhouse.testing.upstream", "--model", "mock", "--model", "mock-embed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield json.loads(next(iter(process.stdout or ())))["address"]
        finally:
            process.kill()


def _house(folder: Path, upstream: str) -> Contestant:
    home, port = folder / "home", free_port()
    home.mkdir()
    # A cache that is full before we begin to measure: one that fills is no leak, and would hide one.
    calm = '[discovery]\nenabled = false\n[cache]\nmax_bytes = "2MiB"\n[runtime]\nthreads = 1\n'
    text = f'{calm}[backends.mock]\nurl = "{upstream}"\n'
    (home / "roundhouse.toml").write_text(text, encoding="utf-8")
    command = (str(Path(sys.executable).parent / "roundhouse"), "up", "--home", str(home), "--port", str(port))
    return Contestant("roundhouse", command, f"http://127.0.0.1:{port}", "", "")


async def _soak(house: Running, seconds: int, rate: int) -> tuple[list[tuple[float, float]], Counter[str], int]:
    """Memory of the process by time, what became of the requests, and sockets that are open at the end."""
    sizes: list[tuple[float, float]] = []
    outcomes: Counter[str] = Counter()
    begun = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:
        for number in range(seconds * rate):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            group.create_task(_one(session, house.contestant.url, number, outcomes))
            if number % (rate * _LOOK_S) == 0:
                sizes.append((number / rate, house.process.memory_info().rss / 2**20))
    sizes.append((float(seconds), house.process.memory_info().rss / 2**20))
    open_ = [each for each in house.process.net_connections("tcp") if each.status == psutil.CONN_ESTABLISHED]
    return sizes, outcomes, len(open_)


async def _one(session: aiohttp.ClientSession, url: str, number: int, outcomes: Counter[str]) -> None:
    act = _ACTS[number % len(_ACTS)]
    try:
        outcomes[await act(session, f"{url}/v1", number)] += 1
    except (aiohttp.ClientError, TimeoutError) as error:
        outcomes[type(error).__name__] += 1


def _body(number: int, **more: object) -> dict[str, object]:
    return {"model": "mock", "messages": [{"role": "user", "content": f"request number {number} " * 20}], **more}


async def _chat(session: aiohttp.ClientSession, url: str, number: int) -> str:
    async with session.post(f"{url}/chat/completions", json=_body(number, temperature=0)) as response:
        await response.read()
        return f"{response.status}"


async def _embedded(session: aiohttp.ClientSession, url: str, number: int) -> str:
    body = _body(number) | {"model": NOISE, "max_tokens": 4}
    async with session.post(f"{url}/chat/completions", json=body) as response:
        await response.read()
        return f"{response.status}"


async def _stream(session: aiohttp.ClientSession, url: str, number: int) -> str:
    async with session.post(f"{url}/chat/completions", json=_body(number, stream=True)) as response:
        await response.read()
        return f"{response.status}"


async def _embeddings(session: aiohttp.ClientSession, url: str, number: int) -> str:
    async with session.post(f"{url}/embeddings", json={"model": "mock-embed", "input": [f"text {number}"]}) as response:
        await response.read()
        return f"{response.status}"


async def _leaving(session: aiohttp.ClientSession, url: str, number: int) -> str:
    response = await session.post(f"{url}/chat/completions", json=_body(number, stream=True))
    await response.content.readany()
    response.close()
    return "hung up"


_ACTS: Sequence[Callable[[aiohttp.ClientSession, str, int], Awaitable[str]]] = (
    *(_chat, _stream, _chat, _embeddings, _chat),
    *(_stream, _leaving, _chat, _stream, _embedded),
)


def _report(
    options: argparse.Namespace, sizes: Sequence[tuple[float, float]], outcomes: Counter[str], left: int
) -> tuple[str, float]:
    early = statistics.median(size for at, size in sizes if _WARM_S <= at <= _WARM_S + _WINDOW_S)
    late = statistics.median(size for at, size in sizes if at >= options.seconds - _WINDOW_S)
    growth = late / early - 1
    minutes = [[f"{at:.0f} s", f"{size:.1f} MiB"] for at, size in sizes if at % _WINDOW_S == 0]
    report = "\n".join(
        [
            "# A long run",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {machine()}.",
            f"{options.rate} requests a second for {options.seconds} s. Memory of the server's process (its llama.cpp",
            f"is another): median of the {_WINDOW_S} s after the first {_WARM_S} s {early:.1f} MiB, of the last",
            f"{_WINDOW_S} s {late:.1f} MiB: {growth:+.1%} (wanted: less than 10 %).",
            "",
            f"What became of them: {', '.join(f'{what} {count:,}' for what, count in outcomes.most_common())}.",
            f"Sockets that are open at the end, kept for the next request: {left}.",
            "",
            *table(["after", "memory"], minutes),
            "",
        ]
    )
    return report, growth


if __name__ == "__main__":
    sys.exit(main())
