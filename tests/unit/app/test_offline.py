"""What stands in for what would leave this machine."""

import pytest

from roundhouse.app.offline import (
    OfflineBackend,
    OfflineCatalog,
    OfflineSource,
    check_database,
    stays_here,
    those_here,
)
from roundhouse.core.artifacts import FileName, PlannedFile
from roundhouse.core.desks.browse import Query
from roundhouse.core.errors import ConfigError, OfflineError
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.backend import a_deployment


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:11434", True),
        ("http://localhost:8080/v1", True),
        ("http://LOCALHOST.:8080", True),
        ("http://[::1]:1", True),
        ("http://127.8.9.1", True),
        ("https://api.example.com/v1", False),
        ("http://192.168.1.5:11434", False),
        ("http://localhost.example.com", False),
        ("http://0x7f.1", False),
        ("", False),
    ],
)
def test_only_what_names_this_machine_stays(url: str, *, here: bool) -> None:
    """Nobody is asked what a name means."""
    assert stays_here(url) is here
    assert those_here({"a": url}) == ({"a": url} if here else {})


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////tmp/x.db",
        "postgresql://u@127.0.0.1/x",
        "postgresql://u@/x?host=/run/pg",
        "postgresql://u@localhost/x",
    ],
)
def test_a_database_on_this_machine_is_allowed(url: str) -> None:
    """A file, a socket, loopback."""
    check_database(url)


def test_a_database_elsewhere_is_refused() -> None:
    """At the start, with what to do."""
    with pytest.raises(ConfigError, match=r"db\.example\.com"):
        check_database("postgresql://u@db.example.com/x")


async def test_a_backend_elsewhere_serves_nothing_and_says_why() -> None:
    """It is no failure."""
    backend = OfflineBackend("cloud", "https://api.example.com/v1")
    health = await backend.health()
    assert (list(await backend.deployments()), health.ok) == ([], False)
    assert health.detail == "offline: api.example.com is not this machine"
    asked = ask_chat(stream=True)
    with pytest.raises(OfflineError):
        await backend.answer(asked, a_deployment())
    with pytest.raises(OfflineError):
        await anext(aiter(backend.stream(asked, a_deployment())))
    await backend.close()


async def test_a_source_and_a_catalog_refuse() -> None:
    """Whoever asks them."""
    source = OfflineSource("hf")
    with pytest.raises(OfflineError, match="hf:a/b needs"):
        await source.resolve("hf:a/b?token=x")
    with pytest.raises(OfflineError):
        async with source.open(PlannedFile(FileName("m.gguf"), 1, None, "https://x"), 0):
            pass
    with pytest.raises(OfflineError):
        await OfflineCatalog().browse(Query())
