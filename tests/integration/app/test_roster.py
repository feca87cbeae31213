"""Backends that come and go while a whole house runs."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest

from roundhouse.app import Roundhouse, open_roundhouse
from roundhouse.core.errors import ConfigError, ConflictError, RoundhouseError, SchemaError
from roundhouse.core.inference import Operation
from roundhouse.settings import load
from roundhouse.testing.asking import ask, ask_chat
from roundhouse.testing.llama_router import FakeLlamaRouter
from roundhouse.testing.ollama import FakeOllama
from roundhouse.testing.upstream import Upstream

FLAGS = {"discovery.enabled": False, "downloads.offline": True, "runtime.memory": "64MiB"}


@pytest.fixture
def settled(home: Path) -> Path:
    """A home that a house can be opened in."""
    (home / "run").mkdir()
    (home / "roundhouse.toml").write_text('[backends.local]\nkind = "llamacpp"\nenabled = false\n')
    return home


async def test_one_that_was_added_serves_at_once_and_after_a_restart(settled: Path) -> None:
    """Both without a word in roundhouse.toml."""
    async with Upstream() as upstream:
        for is_new in (True, False):
            async with open_roundhouse(load(home=settled, flags=FLAGS), url="http://127.0.0.1:1") as house:
                if is_new:
                    added = await house.management.add_backend("box", {"url": upstream.url})
                    assert (True, 1) == (added.ok, min(1, added.deployments))
                taken, answer = await house.rooms.serving.answer(ask_chat())
                assert (b"engine" in answer.data, "box") == (True, taken.deployment.backend)


async def test_what_it_is_answering_when_it_is_removed_is_answered(settled: Path) -> None:
    """To the end; the next request finds nobody."""
    async with (
        Upstream() as upstream,
        open_roundhouse(load(home=settled, flags=FLAGS), url="http://127.0.0.1:1") as house,
    ):
        await house.management.add_backend("box", {"url": upstream.url})
        _, stream = await house.rooms.serving.stream(ask_chat(stream=True))
        async with aclosing(stream):
            first = await anext(stream)
            await house.management.remove_backend("box")
            rest = [chunk async for chunk in stream]
        assert (True, True) == (bool(first.data), rest[-1].final or rest[-1].usage_only)
        with pytest.raises(RoundhouseError):
            await house.rooms.serving.answer(ask(Operation.CHAT, {"messages": []}))


async def test_its_connections_are_closed_when_the_last_answer_is_there(settled: Path) -> None:
    """Not before."""
    async with (
        Upstream() as upstream,
        open_roundhouse(load(home=settled, flags=FLAGS), url="http://127.0.0.1:1") as house,
    ):
        await house.management.add_backend("box", {"url": upstream.url})
        backend = house.rooms.fleet.backends["box"]
        closed = asyncio.Event()
        close = backend.close

        async def told() -> None:
            await close()
            closed.set()

        backend.close = told  # type: ignore[method-assign] # to hear of it
        _, stream = await house.rooms.serving.stream(ask_chat(stream=True))
        await house.management.remove_backend("box")
        for _ in range(5):
            await asyncio.sleep(0)
        assert not closed.is_set()
        await stream.aclose()
        async with asyncio.timeout(5):
            await closed.wait()


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("mlx", {}),
        ("box", {}),
        ("box", {"kind": "nothing", "url": "http://127.0.0.1:9"}),
        ("local", {"url": "http://127.0.0.1:9"}),
        ("box", {"kind": "llamacpp"}),
    ],
)
async def test_a_wrong_one_is_refused_and_leaves_nothing(settled: Path, name: str, section: dict[str, object]) -> None:
    """No file, no backend: a program is started by nobody from outside."""
    async with open_roundhouse(load(home=settled, flags=FLAGS), url="http://127.0.0.1:1") as house:
        with pytest.raises((SchemaError, ConflictError)):
            await house.management.add_backend(name, section)
        assert (False, {}) == ((settled / "backends.toml").exists(), dict(house.rooms.fleet.backends))


async def test_what_roundhouse_toml_also_wants_is_not_removed(settled: Path) -> None:
    """It would be back at the next start."""
    (settled / "backends.toml").write_text('[backends.box]\nurl = "http://127.0.0.1:9"\n')
    with (settled / "roundhouse.toml").open("a") as file:
        file.write("[backends.box]\nmax_concurrent = 3\n")
    async with open_roundhouse(load(home=settled, flags=FLAGS), url="http://127.0.0.1:1") as house:
        with pytest.raises(ConflictError, match=r"roundhouse\.toml"):
            await house.management.remove_backend("box")


def looking(**addresses: str) -> dict[str, object]:
    """Settings that look for runtimes there, and nowhere else."""
    usual = ("ollama", "lmstudio", "llamacpp", "mlx", "vllm")
    places = {f"discovery.{kind}": addresses.get(kind, "http://127.0.0.1:9") for kind in usual}
    return FLAGS | places | {"discovery.enabled": True}


def backends_of(house: Roundhouse) -> dict[str, bool]:
    """Each backend, and whether it is configured."""
    return {name: origin.configured for name, origin in house.rooms.origins.items()}


async def test_a_runtime_that_is_kept_and_let_go_of_serves_on_while_it_runs(settled: Path) -> None:
    """It was found before, and is found again at once."""
    async with (
        FakeOllama() as fake,
        open_roundhouse(load(home=settled, flags=looking(ollama=fake.url)), url="http://127.0.0.1:1") as house,
    ):
        assert {"ollama": False} == backends_of(house)
        await house.management.add_backend("ollama", {})
        assert {"ollama": True} == backends_of(house)
        await house.management.remove_backend("ollama")
        assert {"ollama": False} == backends_of(house)
        assert house.rooms.fleet.offered("ollama")


@pytest.mark.parametrize("section", ["[backends.ollama]", '[backends.box]\nurl = "{url}"'])
async def test_a_runtime_that_is_switched_off_is_not_taken_in_because_it_runs(settled: Path, section: str) -> None:
    """By its name or by its address; that it is there is still told."""
    async with FakeOllama() as fake:
        with (settled / "roundhouse.toml").open("a") as file:
            file.write(f"{section.format(url=fake.url)}\nenabled = false\n")
        async with open_roundhouse(
            load(home=settled, flags=looking(ollama=fake.url)), url="http://127.0.0.1:1"
        ) as house:
            found = house.rooms.neighbours.found
            assert ({}, ["ollama"]) == (backends_of(house), [each.name for each in found])


async def test_what_was_added_is_told_from_what_somebody_wrote(settled: Path) -> None:
    """At once and after a restart: only the former can be removed here."""
    for is_new in (True, False):
        async with open_roundhouse(load(home=settled, flags=FLAGS), url="http://127.0.0.1:1") as house:
            if is_new:
                await house.management.add_backend("box", {"url": "http://127.0.0.1:9"})
            assert [True] == [each.added for each in await house.management.backends()]
    with (settled / "roundhouse.toml").open("a") as file:
        file.write("[backends.box]\nmax_concurrent = 3\n")
    async with open_roundhouse(load(home=settled, flags=FLAGS), url="http://127.0.0.1:1") as house:
        assert [False] == [each.added for each in await house.management.backends()]
        with pytest.raises(ConflictError):
            await house.management.remove_backend("box")


async def test_who_starts_in_the_place_of_another_serves_instead(settled: Path) -> None:
    """Kinds may have the same usual port; what the first one served is offered no longer."""
    async with FakeOllama() as fake, AsyncExitStack() as stack:
        flags = looking(ollama=fake.url, llamacpp=fake.url)
        house = await stack.enter_async_context(
            open_roundhouse(load(home=settled, flags=flags), url="http://127.0.0.1:1")
        )
        assert {"ollama": False} == backends_of(house)
        await fake.__aexit__(None, None, None)
        await stack.enter_async_context(FakeLlamaRouter(port=int(fake.url.rpartition(":")[2])))
        await house.rooms.roster.follow(await house.rooms.neighbours.look_around())
        assert {"llama-server": False} == backends_of(house)
        assert {"llama-server"} == {each.backend for each in house.rooms.fleet.deployments()}


UNUSABLE = {
    "no-host": 'url = "http://box..lan:8000"',
    "no-kind": 'kind = "nothing"\nurl = "http://127.0.0.1:9"',
    "no-path": 'url = "http://127.0.0.1:9/ü"',
}


@pytest.mark.parametrize("section", UNUSABLE.values(), ids=UNUSABLE)
async def test_one_that_was_added_and_cannot_be_used_keeps_nobody_from_starting(settled: Path, section: str) -> None:
    """`doctor` tells of it, and it can be removed, or added again."""
    file = settled / "backends.toml"
    file.write_text(f'[backends.box]\n{section}\n[backends.other]\nurl = "http://127.0.0.1:9"\n')
    async with open_roundhouse(load(home=settled, flags=FLAGS), url="http://127.0.0.1:1") as house:
        assert ["other"] == list(house.rooms.fleet.backends)
        checks = {each.name: each for each in await house.management.checks()}
        assert "left out" in checks["backend box"].detail
        await house.management.remove_backend("box")
        assert "backend box" not in {each.name for each in await house.management.checks()}
        await house.management.add_backend("box", {"url": "http://127.0.0.1:9"})
    assert "127.0.0.1:9" in (file.read_text().partition("[backends.box]")[2])


async def test_what_somebody_wrote_and_cannot_be_used_is_refused_at_the_start(settled: Path) -> None:
    """He sees it, and can correct it."""
    with (settled / "roundhouse.toml").open("a") as file:
        file.write('[backends.box]\nkind = "nothing"\nurl = "http://127.0.0.1:9"\n')
    with pytest.raises(ConfigError, match="nobody provides"):
        async with open_roundhouse(load(home=settled, flags=FLAGS), url="http://127.0.0.1:1"):
            pass


@pytest.mark.parametrize("url", ["http://box..lan:8000", f"http://{'a' * 64}.lan", "http://127.0.0.1:9/ü"])
async def test_an_address_that_cannot_be_asked_is_refused_and_not_written(settled: Path, url: str) -> None:
    """Otherwise it would be there at the next start."""
    async with open_roundhouse(load(home=settled, flags=FLAGS), url="http://127.0.0.1:1") as house:
        with pytest.raises(SchemaError):
            await house.management.add_backend("box", {"url": url})
        assert not (settled / "backends.toml").exists()
