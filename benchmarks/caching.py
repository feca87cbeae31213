"""What a kept answer saves: hits against the fastest upstream there could be, and what a miss costs.

Run with ``python -m benchmarks.caching``; writes ``benchmarks/results/caching.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

from roundhouse.app import open_roundhouse
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.core.clock import SystemClock
from roundhouse.core.inference import CacheUse, InferenceRequest, Operation, Profile
from roundhouse.core.ports import Cache
from roundhouse.health.standing import Standings
from roundhouse.routing.snapshot import Snapshot
from roundhouse.serving.caching.memory import MemoryCache
from roundhouse.serving.caching.responses import Caching, Terms
from roundhouse.serving.serve import Serving
from roundhouse.settings import load
from roundhouse.sources.bundled import NOISE_MODEL
from roundhouse.storage.caches.valkey import ValkeyCache
from roundhouse.testing.upstream import Upstream
from roundhouse.testing.valkey import valkey

_RESULT = Path(__file__).parent / "results" / "caching.md"
_WARM = 10


def _request(words: int) -> InferenceRequest:
    body = {"model": "echo", "temperature": 0, "messages": [{"role": "user", "content": "word " * words}]}
    profile = Profile(Operation.CHAT, "echo", frozenset(), prompt_tokens=words)
    return InferenceRequest("bench", profile, json.dumps(body).encode())


async def _median_us(ask: Callable[[], Awaitable[object]], times: int) -> float:
    for _ in range(_WARM):
        await ask()
    lasted = []
    for _ in range(times):
        begun = time.perf_counter()
        await ask()
        lasted.append((time.perf_counter() - begun) * 1e6)
    return statistics.median(lasted)


def _fresh(caching: Caching, request: InferenceRequest) -> Callable[[], Awaitable[object]]:
    """Ask under a new id each time: under the same one it would share what is on its way."""
    number = count()
    return lambda: caching.answer(replace(request, id=f"bench-{next(number)}"))


async def _embedded(valkey_url: str | None) -> str:
    """The quickest model that there is here: one token of the bundled one, already in memory."""
    with tempfile.TemporaryDirectory() as home:
        flags = {"discovery.enabled": False} | ({} if valkey_url is None else {"storage.valkey_url": valkey_url})
        settings = load(home=Path(home), environment={}, flags=flags)
        async with open_roundhouse(settings, url="http://127.0.0.1:8484") as house:
            body = {
                "model": NOISE_MODEL,
                "temperature": 0,
                "max_tokens": 1,
                "messages": [{"role": "user", "content": "hi"}],
            }
            profile = Profile(Operation.CHAT, NOISE_MODEL, frozenset(), prompt_tokens=10)
            request = InferenceRequest("bench", profile, json.dumps(body).encode())
            bare = await _median_us(lambda: house.rooms.serving.answer(request), 10)
            hit = await _median_us(lambda: house.rooms.answering.answer(request), 500)
    name = "memory" if valkey_url is None else "valkey"
    return f"| embedded model, 1 token | {name} | {bare:,.0f} | {hit:,.0f} | {bare / hit:,.1f} times | |"


async def _measure(times: int) -> list[str]:
    lines = []
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(Upstream())
        url = stack.enter_context(valkey(os.environ))  # noqa: TID251 - names the server, or not
        backend = OpenAICompatible("fast", upstream.url)
        stack.push_async_callback(backend.close)
        snapshot = Snapshot.build(await backend.deployments())
        clock, standings = SystemClock(), Standings(lambda: 0.5)
        serving = Serving({"fast": backend}, lambda: snapshot, standings, lambda _record: None, clock)
        caches: dict[str, Cache] = {"memory": MemoryCache(1 << 26, clock), "valkey": ValkeyCache(url, clock)}
        for words in (10, 1_000, 10_000):
            request = _request(words)
            bare = await _median_us(lambda request=request: serving.answer(request), times)  # type: ignore[misc]
            for name, cache in caches.items():
                caching = Caching(serving, cache, lambda _record: None, clock, Terms())
                again = replace(request, cache=CacheUse.REFRESH)
                fresh = _fresh(caching, again)
                miss = await _median_us(fresh, times)
                hit = await _median_us(lambda request=request, caching=caching: caching.answer(request), times)  # type: ignore[misc]
                faster, cost = f"{bare / hit:.1f} times", f"{miss - bare:+,.0f}"
                lines.append(f"| echo, {words:,} words | {name} | {bare:,.0f} | {hit:,.0f} | {faster} | {cost} |")
        lines += [await _embedded(None), await _embedded(url)]
        for cache in caches.values():
            await cache.close()
    return lines


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=500)
    times = parser.parse_args().times
    lines = asyncio.run(_measure(times))
    text = "\n".join(
        [
            "# Kept answers",
            "",
            f"Medians of {times} requests one after the other, in microseconds, from the serving room on. Echo is",
            "a server in the same process that repeats what it is told, with no model behind it: what is saved",
            "there is the way to a backend and back. The embedded model is the fastest that answers with a model.",
            "A miss is a request that refreshes what is kept: it pays for the key, the shared flight and the writing.",
            "",
            "| upstream | cache | asked | hit | faster | miss adds |",
            "| --- | --- | ---: | ---: | ---: | ---: |",
            *lines,
            "",
        ]
    )
    _RESULT.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
