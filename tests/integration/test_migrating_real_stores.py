"""A cache that the real huggingface_hub has written is adopted and given back."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from roundhouse.migration import Mode, Wish
from roundhouse.testing.adoption import a_hall, census, folder_times, migrations
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.hub import Hub
from roundhouse.testing.safetensors import a_model_folder

pytestmark = pytest.mark.slow

#: A process of its own: the client reads its environment when it is imported.
PROGRAM = """
import sys
from huggingface_hub import snapshot_download
endpoint, cache = sys.argv[1:]
for repo in ("acme/tiny-GGUF", "acme/whole"):
    snapshot_download(repo, endpoint=endpoint, cache_dir=cache, token=False)
"""
GGUF = a_gguf(bytes(256), tokenizer__chat_template="{{x}}")


@pytest.fixture(params=["links", "no links"])
async def person(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Somebody whose cache the real client filled, with and without links."""
    home = tmp_path / "person"
    cache = home / ".cache" / "huggingface" / "hub"
    environment = {"PATH": os.defpath, "HF_HOME": str(cache.parent), "HF_HUB_DISABLE_TELEMETRY": "1"}
    if request.param == "no links":
        environment["HF_HUB_DISABLE_SYMLINKS"] = "1"
    async with Hub() as hub:
        hub.add("acme/tiny-GGUF", {"tiny-Q4_K_M.gguf": GGUF, "README.md": b"hi"})
        hub.add("acme/whole", a_model_folder())
        command = [sys.executable, "-c", PROGRAM, hub.endpoint, str(cache)]
        done = await _run(command, environment)
    assert done.returncode == 0, done.stderr
    return home


async def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("mode", [Mode.LINK, Mode.MOVE])
async def test_the_cache_of_the_real_client(person: Path, tmp_path: Path, mode: Mode) -> None:
    """Both models come in under the names that a pull gives them, and the cache is itself again afterwards."""
    before = (census(person), folder_times(person))
    hall = a_hall(tmp_path / "library")
    moving = migrations(hall, person)
    outcome = await moving.start("huggingface", None, Wish(mode))
    await moving.wait()
    models = {artifact.model: artifact.format for artifact in await hall.library.list()}
    assert {"acme/tiny-GGUF:Q4_K_M": "gguf", "acme/whole": "safetensors"} == models
    assert all([(await hall.library.verify(model)).ok for model in models])
    await moving.rollback(outcome.id or "")
    assert before == (census(person), folder_times(person))
