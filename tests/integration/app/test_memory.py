"""What a whole house says of the memory that its models take."""

from pathlib import Path

import pytest

from roundhouse.app import open_roundhouse
from roundhouse.settings import load
from roundhouse.testing.asking import ask_chat

pytestmark = pytest.mark.slow
NOISE = "roundhouse/noise"
FLAGS: dict[str, object] = {"discovery.enabled": False, "downloads.offline": True, "runtime.threads": 1}


async def test_a_deployment_tells_what_it_is(home: Path) -> None:
    """What was seen of it included, once there was something to see."""
    (home / "run").mkdir()
    async with open_roundhouse(load(home=home, flags=FLAGS), url="http://127.0.0.1:1") as house:
        await house.rooms.serving.answer(ask_chat())
        await house.rooms.fleet.refresh()
        shown = await house.management.model(NOISE)
    one, need = shown.served_by[0], shown.memory
    assert need is not None
    assert (True, need.total) == (need.from_header, one.memory)
    assert need.total == need.weights + need.cache + need.buffers <= need.limit
    told = (one.slots, one.context, one.context_max, one.quantization, one.family, one.format, one.parameters, one.size)
    assert (4, 4096, 4096, "F16", "llama", "gguf", shown.parameters, shown.size) == told
    assert (shown.files[0].digest, None, (), None) == (one.digest, one.repo, one.warnings, one.vram)
    assert one.load_s is not None


async def test_a_context_that_was_cut_for_lack_of_memory_is_told(home: Path) -> None:
    """Where the model is shown as well as where it is served."""
    (home / "run").mkdir()
    flags = {**FLAGS, "runtime.memory": "56MiB"}
    async with open_roundhouse(load(home=home, flags=flags), url="http://127.0.0.1:1") as house:
        shown = await house.management.model(NOISE)
    assert shown.memory is not None
    assert 2048 <= shown.memory.context == (shown.served_by[0].context or 0) < 4096
    assert shown.memory.total <= 56 << 20
    assert "instead of 4,096" in shown.served_by[0].warnings[0]
