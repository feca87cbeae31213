"""What the embedded llama.cpp can do, in a whole house: from the settings and the library to an answer."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from roundhouse.app import Roundhouse, open_roundhouse
from roundhouse.core.artifacts import ArtifactFile, Digest, FileName
from roundhouse.core.errors import NoRouteError
from roundhouse.core.inference import Capability, InferenceRequest, Operation
from roundhouse.gateway import openai
from roundhouse.settings import Settings, load
from roundhouse.testing.builders import an_artifact
from roundhouse.testing.noise import write_adapter, write_projector, write_reranker
from roundhouse.testing.runtime import NOISE_FILE

pytestmark = pytest.mark.slow

URL = "http://127.0.0.1:1"
HELLO = {"messages": [{"role": "user", "content": "the engine turns"}], "temperature": 0, "max_tokens": 8}


def settings(home: Path, **runtime: object) -> Settings:
    """A house of its own, which asks nobody."""
    flags = {"discovery.enabled": False, "downloads.offline": True, "runtime.memory": "256MiB", "runtime.threads": 1}
    return load(home=home, flags={**flags, **{f"runtime.{key}": value for key, value in runtime.items()}})


async def held(house: Roundhouse, name: str, *paths: Path) -> None:
    """Let the library hold these files as *name*."""
    files = []
    for path in paths:
        content = path.read_bytes()
        files.append(ArtifactFile(FileName(path.name), len(content), Digest(sha256(content).hexdigest())))
        blob = house.rooms.library.blobs.path_of(files[-1].digest)
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
    await house.rooms.library.adopt([an_artifact(name, *files)])
    await house.rooms.fleet.refresh()


async def asked(house: Roundhouse, operation: Operation, model: str, **fields: object) -> bytes:
    """The answer of *model*, asked as a client would."""
    content = json.dumps({"model": model, **fields}).encode()
    reading = openai.read(operation, content)
    _, answer = await house.rooms.serving.answer(InferenceRequest("r", reading.profile, content))
    return answer.data


async def said(house: Roundhouse, model: str) -> str:
    """What *model* says to the same words."""
    return str(json.loads(await asked(house, Operation.CHAT, model, **HELLO))["choices"][0]["message"]["content"])


async def test_a_reranker_of_the_library_is_asked_for_nothing_else(home: Path, tmp_path: Path) -> None:
    """It is found by ``auto``, too; what it cannot do is refused before it is loaded."""
    (home / "run").mkdir()
    async with open_roundhouse(settings(home), url=URL) as house:
        await held(house, "rank", write_reranker(tmp_path / "rank.gguf"))
        for model in ("rank", "auto"):
            data = await asked(house, Operation.RERANK, model, query="engine", documents=["steam", "fog"], top_n=1)
            assert 1 == len(json.loads(data)["results"])
        with pytest.raises(NoRouteError, match="chat"):
            await asked(house, Operation.CHAT, "rank", **HELLO)


async def test_tools_are_not_for_a_model_that_does_not_know_them(home: Path) -> None:
    """The bundled one has a chat template, and nothing about tools in it."""
    (home / "run").mkdir()
    tool = {"type": "function", "function": {"name": "whistle"}}
    async with open_roundhouse(settings(home), url=URL) as house:
        assert await said(house, "roundhouse/noise")
        with pytest.raises(NoRouteError, match="tools"):
            await asked(house, Operation.CHAT, "roundhouse/noise", **HELLO, tools=[tool])


async def test_settings_and_files_beside_a_model_reach_the_child(home: Path, tmp_path: Path) -> None:
    """Adapters change what is said, a draft does not, a projector lets it see."""
    (home / "run").mkdir()
    adapter = write_adapter(tmp_path / "style.gguf")
    wished = settings(home, lora=[f"styled={adapter}@1"], draft=["drafted=roundhouse/noise"])
    async with open_roundhouse(wished, url=URL) as house:
        for name in ("plain", "styled", "drafted"):
            await held(house, name, NOISE_FILE)
        await held(house, "seeing", NOISE_FILE, write_projector(tmp_path / "mmproj-noise.gguf"))
        plain = await said(house, "plain")
        assert (plain, plain) == (await said(house, "drafted"), await said(house, "seeing"))
        assert plain != await said(house, "styled")
        seeing = [each.model for each in house.rooms.fleet.deployments() if Capability.VISION in each.capabilities]
        assert ["seeing"] == seeing
