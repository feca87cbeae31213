"""Which backends there are is said by the settings."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from roundhouse.app.compose import Built, build_backends
from roundhouse.app.offline import OfflineBackend
from roundhouse.app.shelf import Shelf
from roundhouse.core.clock import SystemClock
from roundhouse.core.errors import ConfigError
from roundhouse.core.events import Events
from roundhouse.library.admission import LicenseRules
from roundhouse.library.library import Library
from roundhouse.settings import load
from roundhouse.testing.licenses import MemoryLicenses
from roundhouse.testing.memory import MemoryArtifacts
from roundhouse.upkeep.admission import LicenseBook


async def built(home: Path, **flags: object) -> tuple[list[str], str | None]:
    """The names of the backends, and which of them is the embedded one."""
    backends = await made_of(home, **flags)
    return sorted(backends.by_name), backends.embedded


async def made_of(home: Path, **flags: object) -> Built:
    """All backends, closed already."""
    named = {key.replace("__", "."): value for key, value in flags.items()} | {"discovery.enabled": False}
    events, clock = Events(), SystemClock()
    book = LicenseBook(MemoryLicenses(), LicenseRules(), SystemClock())
    shelf = Shelf(Library(home / "library", MemoryArtifacts(), events, SystemClock()), book)
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
    backends = await made_of(home, backends__groq__kind="groq", downloads__offline=True)
    assert isinstance(backends.by_name["groq"], OfflineBackend)
