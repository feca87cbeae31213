"""The library's models of MLX, served by children of a whole Roundhouse."""

import asyncio
import json
from pathlib import Path

import pytest

from roundhouse.app import open_roundhouse
from roundhouse.core.desks.events import Wish
from roundhouse.core.inference import Residency
from roundhouse.core.management import Management
from roundhouse.settings import load
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.mlx import children

pytestmark = [pytest.mark.slow, pytest.mark.peer, pytest.mark.xdist_group("mlx")]


async def pulled(management: Management, ref: str) -> str:
    """The name of the model behind *ref*, once the library has it."""
    with management.listen(Wish(("transfer",))) as heard:
        await anext(heard)
        await management.start_pull(ref, None)
        async with asyncio.timeout(30):
            while (state := json.loads((await anext(heard)).body)["data"])["state"] != "done":
                assert state["state"] != "failed", state
    return str(state["model"])


async def test_what_the_library_holds_for_mlx_is_served(home: Path, mlx_python: Path, mlx_noise: Path) -> None:
    """As soon as it is there; it is in use while it is in memory, and gone when Roundhouse is."""
    (home / "run").mkdir()
    flags = {
        "discovery.enabled": False,
        "backends.mlx.kind": "mlx",
        "backends.mlx.options": [f"python={mlx_python}", "memory=1GiB"],
    }
    async with open_roundhouse(load(home=home, flags=flags, environment={}), url="http://127.0.0.1:1") as house:
        model = await pulled(house.management, f"file:{mlx_noise}")
        await house.rooms.fleet.refresh()
        (deployment,) = house.rooms.fleet.offered("mlx")
        answer = await house.rooms.fleet.backends["mlx"].answer(ask_chat(), deployment)
        await house.rooms.fleet.refresh(["mlx"])
        (after,) = house.rooms.fleet.offered("mlx")
        assert (model, Residency.COLD, Residency.LOADED) == (
            deployment.model,
            deployment.residency,
            after.residency,
        )
        assert (True, 1) == (answer.usage is not None, len(children()))
    assert [] == children()
