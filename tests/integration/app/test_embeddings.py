"""Embeddings at an Ollama, through a whole house that keeps nothing."""

from dataclasses import replace
from pathlib import Path

from roundhouse.app import open_roundhouse
from roundhouse.settings import load
from roundhouse.testing.asking import ask_embedding
from roundhouse.testing.ollama import FakeOllama


async def test_without_a_cache_the_same_text_is_computed_again(home: Path) -> None:
    """``cache.enabled = false`` reaches the connector's own memory, too."""
    (home / "run").mkdir()
    (home / "roundhouse.toml").write_text('[backends.local]\nkind = "llamacpp"\nenabled = false\n')
    asked = ask_embedding("a")
    request = replace(asked, profile=replace(asked.profile, model="embed:latest"))
    async with FakeOllama() as ollama:
        flags = {"discovery.enabled": False, "cache.enabled": False, "backends.o.kind": "ollama"}
        settings = load(home=home, flags={**flags, "backends.o.url": ollama.url})
        async with open_roundhouse(settings, url="http://127.0.0.1:1") as house:
            for number in range(2):
                await house.rooms.answering.answer(replace(request, id=str(number)))
        assert 2 == len(ollama.bodies("/api/embed"))
