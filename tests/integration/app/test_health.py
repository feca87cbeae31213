"""A whole house whose backends fall ill, get well, and are measured."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from roundhouse.app import Roundhouse, open_roundhouse
from roundhouse.core.clock import Clock
from roundhouse.core.desks.events import Told, Wish
from roundhouse.core.desks.trial import Trial
from roundhouse.core.errors import BackendError
from roundhouse.settings import load
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.upstream import Fault, Upstream


class Counting(Upstream):
    """A backend that counts how often it is asked for its list, which is also how its health is asked."""

    looks = 0

    async def _list(self, request: web.Request) -> web.Response:
        self.looks += 1
        async with self.changed:
            self.changed.notify_all()
        return await super()._list(request)


@asynccontextmanager
async def a_house(home: Path, *backends: Upstream, clock: Clock | None = None) -> AsyncIterator[Roundhouse]:
    """A house with nothing but these: `a`, `b`."""
    (home / "run").mkdir()
    (home / "roundhouse.toml").write_text('[backends.local]\nkind = "llamacpp"\nenabled = false\n')
    flags: dict[str, object] = {"discovery.enabled": False, "downloads.offline": True}
    for name, backend in zip("ab", backends, strict=False):
        flags |= {f"backends.{name}.url": backend.url, f"backends.{name}.health_s": 0.05}
    async with open_roundhouse(load(home=home, flags=flags), url="http://127.0.0.1:1", clock=clock) as house:
        yield house


async def until(heard: AsyncIterator[Told], type_: str) -> dict[str, object]:
    """What the next event of a type says."""
    async with asyncio.timeout(30):
        while (told := await anext(heard)).type != type_:
            pass
    data: dict[str, object] = json.loads(told.body)["data"]
    return data


def chosen(house: Roundhouse) -> list[str]:
    """Who would be asked now."""
    return [each.id for each in house.rooms.serving.chosen(ask_chat().profile).candidates]


async def test_a_backend_that_goes_away_is_left_out_before_any_request(home: Path) -> None:
    """And used again when it is back; nobody was asked for an answer to find out either."""
    async with Upstream() as b, Counting() as a, a_house(home, a, b) as house:
        port = urlsplit(a.url).port
        assert port
        with house.management.listen(Wish(("backend",))) as heard:
            await a.until(lambda: a.looks >= 3, within_s=30)
            assert ["a/echo", "b/echo"] == chosen(house)
            await a.__aexit__(None, None, None)
            assert "a" == (await until(heard, "backend.lost"))["backend"]
            assert ["b/echo"] == chosen(house)
            async with Upstream(port=port) as again:
                assert "a" == (await until(heard, "backend.recovered"))["backend"]
                assert ["a/echo", "b/echo"] == chosen(house)
                assert [] == a.seen + b.seen + again.seen


async def test_one_ill_model_is_left_out_and_comes_back_by_a_probe(home: Path) -> None:
    """Its sibling at the same backend goes on; nobody pays for finding out: the probe is a request that came anyway."""
    clock = FakeClock()
    async with Upstream(models=("x", "y")) as a, a_house(home, a, clock=clock) as house:
        request = replace(ask_chat(), profile=replace(ask_chat().profile, model="x"))
        with house.management.listen(Wish(("backend.breaker",))) as heard:
            a.plan(Fault.STATUS, times=5)
            for _ in range(5):
                with pytest.raises(BackendError):
                    await house.rooms.serving.answer(request)
            told = await until(heard, "backend.breaker")
            assert ("a", "x", True) == (told["backend"], told["model"], told["open"])
            assert ["a/y"] == chosen(house)
            clock.advance(12.0)
            assert ["a/y", "a/x"] == chosen(house)
            await house.rooms.serving.answer(request)
            assert {"backend": "a", "model": "x", "open": False, "open_s": None} == await until(
                heard, "backend.breaker"
            )
    assert 6 == len(a.seen)


async def test_what_a_call_was_like_is_told_everywhere(home: Path) -> None:
    """By the metrics, the figures, and the list of requests."""
    async with Upstream() as a, a_house(home, a) as house:
        _, stream = await house.rooms.serving.stream(ask_chat(stream=True))
        async with aclosing(stream):
            assert [chunk async for chunk in stream]
        text = house.metrics.render()
        (figures,) = await house.management.figures("a")
        (request,) = await house.management.requests(1)
    labels = b'{backend="a",deployment="a/echo"'
    assert b"roundhouse_deployment_calls_total" + labels + b',outcome="ok"} 1' in text
    assert b"roundhouse_deployment_first_token_seconds_count" + labels + b"} 1" in text
    assert b'roundhouse_backend_up{backend="a"} 1.0' in text
    assert figures.queue_ms
    assert figures.first_token_ms
    assert (1, 0.0) == (figures.requests, figures.queue_ms.p95)
    assert request.attempts[0].first_token_ms == pytest.approx(figures.first_token_ms.p50)


async def test_a_baseline_outlives_the_house(home: Path) -> None:
    """What was measured is what later calls are compared with."""
    async with Upstream() as a:
        a.pace_s = 0.01
        async with a_house(home, a) as house:
            tried = await house.management.test_backend("a", Trial(prompt=True, baseline=True))
            assert (True, True) == (tried.ok, tried.baseline)
            (before,) = await house.management.figures("a")
        (home / "run").rmdir()
        async with a_house(home, a) as house:
            (after,) = await house.management.figures("a")
    assert before.baseline
    assert after.baseline == before.baseline
