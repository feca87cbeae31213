"""A whole house that sees what its requests have brought into the memory of an Ollama."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from tests.integration.app.test_health import until

from roundhouse.app import Roundhouse, open_roundhouse
from roundhouse.core.desks.events import Wish
from roundhouse.core.inference import Residency
from roundhouse.settings import load
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.ollama import FakeOllama


def residency(house: Roundhouse) -> Residency:
    """Of the model that is asked, as routing sees it."""
    return {each.model: each for each in house.rooms.fleet.deployments()}["echo:latest"].residency


async def test_what_a_stream_has_loaded_is_known_before_it_ends(home: Path) -> None:
    """Others are not told that it is being loaded, and whoever listens hears that it was."""
    (home / "run").mkdir()
    (home / "roundhouse.toml").write_text('[backends.local]\nkind = "llamacpp"\nenabled = false\n')
    asked = ask_chat(stream=True)
    request = replace(asked, profile=replace(asked.profile, model="echo:latest"))
    async with FakeOllama() as ollama:
        flags = {"discovery.enabled": False, "backends.o.kind": "ollama", "backends.o.url": ollama.url}
        async with open_roundhouse(load(home=home, flags=flags), url="http://127.0.0.1:1") as house:
            assert Residency.COLD is residency(house)
            ollama.may_go_on.clear()
            with house.management.listen(Wish(("backend",))) as heard:
                _, stream = await house.rooms.serving.stream(request)
                async with aclosing(stream):
                    told = await until(heard, "backend.residency")
                    assert ("o", "echo:latest", True) == (told["backend"], told["model"], told["loaded"])
                    assert Residency.LOADED is residency(house)
                    ollama.may_go_on.set()
                    await asyncio.wait_for(anext(stream), 5)
