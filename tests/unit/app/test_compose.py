"""Which backends there are is said by the settings."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from roundhouse.app.cards import Cards
from roundhouse.app.compose import Built, build_backends, gates_of
from roundhouse.app.offline import OfflineBackend
from roundhouse.app.shelf import Shelf
from roundhouse.backends.kinds.llama_server.backend import LlamaServer
from roundhouse.backends.kinds.ollama.backend import Ollama
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.core.clock import SystemClock
from roundhouse.core.errors import ConfigError
from roundhouse.core.events import Events
from roundhouse.library.admission import LicenseRules
from roundhouse.library.library import Library
from roundhouse.settings import load
from roundhouse.testing.licenses import MemoryLicenses
from roundhouse.testing.llama_router import FakeLlamaRouter
from roundhouse.testing.memory import MemoryArtifacts
from roundhouse.testing.ollama import FakeOllama
from roundhouse.testing.upstream import Upstream
from roundhouse.upkeep.admission import LicenseBook


async def built(home: Path, **flags: object) -> tuple[list[str], str | None]:
    """The names of the backends, and which of them is the embedded one."""
    backends = await composed(home, discovery__enabled=False, **flags)
    return sorted(backends.by_name), backends.embedded


async def composed(home: Path, **flags: object) -> Built:
    """All backends of the settings, closed again."""
    named = {key.replace("__", "."): value for key, value in flags.items()}
    events, clock = Events(), SystemClock()
    book = LicenseBook(MemoryLicenses(), LicenseRules(), SystemClock())
    shelf = Shelf(Library(home / "library", MemoryArtifacts(), events, SystemClock()), book, Cards(home / "cards.json"))
    async with AsyncExitStack() as stack:
        return await build_backends(stack, load(home=home, flags=named, environment={}), shelf, events, clock)


async def test_there_is_an_embedded_runtime(home: Path) -> None:
    """Nobody has to configure it."""
    assert (["local"], "local") == await built(home)


async def test_a_section_of_its_kind_names_it(home: Path) -> None:
    """The embedded one is the same whatever it is called."""
    assert (["here"], "here") == await built(home, backends__here__kind="llamacpp")
    assert (["local"], "local") == await built(home, backends__local__kind="llamacpp")


async def test_it_can_be_switched_off(home: Path) -> None:
    """A box that only routes needs no runtime."""
    off = {"backends__local__kind": "llamacpp", "backends__local__enabled": False}
    assert ([], None) == await built(home, **off)


async def test_there_is_only_one(home: Path) -> None:
    """Two sections for one runtime contradict each other."""
    with pytest.raises(ConfigError, match="one embedded"):
        await built(home, backends__a__kind="llamacpp", backends__b__kind="llamacpp")


async def test_a_provider_without_an_address_is_still_elsewhere(home: Path) -> None:
    """Offline, nothing of it is asked."""
    backends = await composed(home, discovery__enabled=False, backends__groq__kind="groq", downloads__offline=True)
    assert isinstance(backends.by_name["groq"], OfflineBackend)


PORTS = ("ollama", "lmstudio", "llamacpp", "mlx", "vllm")


async def test_an_ollama_that_is_found_is_one(home: Path) -> None:
    """By its own API, which tells more than the dialect that all speak."""
    async with FakeOllama() as fake:
        found = await composed(home, **{f"discovery__{port}": fake.url for port in PORTS})
    assert (["local", "ollama"], True) == (sorted(found.by_name), isinstance(found.by_name["ollama"], Ollama))


async def test_a_llama_server_that_is_found_is_one(home: Path) -> None:
    """Also as a router, which the address alone does not tell."""
    async with FakeLlamaRouter() as fake:
        found = await composed(home, **{f"discovery__{port}": fake.url for port in PORTS})
    assert isinstance(found.by_name["llama-server"], LlamaServer)
    assert "llama-server" == found.origins["llama-server"].kind


async def test_what_is_configured_is_not_found_again(home: Path) -> None:
    """One address is one backend, under the name that somebody chose."""
    async with FakeOllama() as fake:
        urls = {f"discovery__{port}": fake.url for port in PORTS}
        found = await composed(home, backends__desk__kind="ollama", backends__desk__url=fake.url, **urls)
    assert ["desk", "local"] == sorted(found.by_name)


async def test_options_reach_their_kind(home: Path) -> None:
    """And are checked by it."""
    desk = {"backends__desk__kind": "ollama", "backends__desk__url": "http://127.0.0.1:1", "discovery__enabled": False}
    with pytest.raises(ConfigError, match="no 'keepalive' for Ollama"):
        await composed(home, **desk, backends__desk__options="keepalive=5m")


async def test_options_are_no_business_of_others(home: Path) -> None:
    """A kind that has none is made as before."""
    async with Upstream() as upstream:
        cloud = {"backends__cloud__url": upstream.url, "backends__cloud__options": "a=1"}
        found = await composed(home, discovery__enabled=False, **cloud)
    assert isinstance(found.by_name["cloud"], OpenAICompatible)


@pytest.mark.parametrize(
    ("one", "other", "is_shared"),
    [
        ({"url": "http://box.lan:8000"}, {"url": "http://BOX.lan:8000/v1/"}, True),
        ({"url": "http://box.lan"}, {"url": "http://box.lan:80", "kind": "vllm"}, True),
        ({"url": "http://box.lan:8000"}, {"url": "http://box.lan:8001"}, False),
        ({"url": "http://box.lan/large"}, {"url": "http://box.lan/small"}, False),
        ({"url": "http://box.lan:8000"}, {"url": "http://box.lan:8000", "api_key_env": "A_KEY"}, False),
        ({"url": "http://box.lan", "api_key_env": "A_KEY"}, {"url": "http://box.lan", "api_key_env": "B_KEY"}, False),
        ({"url": "http://127.0.0.1:9"}, {"url": "http://localhost:9/v1", "api_key_env": "A_KEY"}, True),
        ({"kind": "groq"}, {"kind": "groq"}, False),
    ],
)
async def test_names_for_one_runtime_share_its_slots(
    home: Path, one: dict[str, str], other: dict[str, str], *, is_shared: bool
) -> None:
    """Elsewhere only where neither has keys, whose limits are their own."""
    sections = {"one": one, "other": other}
    flags = {f"backends__{name}__{key}": value for name, wish in sections.items() for key, value in wish.items()}
    backends = await composed(home, discovery__enabled=False, **flags)
    named = {key.replace("__", "."): value for key, value in flags.items()}
    gates = gates_of(load(home=home, flags=named, environment={}), backends, SystemClock())
    assert is_shared == (gates.of("one") is gates.of("other"))
