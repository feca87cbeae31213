"""A real download in a whole house, as a listener hears of it."""

import asyncio
import json
import random
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from roundhouse.app import open_roundhouse
from roundhouse.core.desks.events import Wish
from roundhouse.core.management import Management
from roundhouse.settings import load
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.hub import Hub

pytestmark = pytest.mark.slow

SIZE = 3_000_000


async def heard_of_a_pull(management: Management) -> list[dict[str, Any]]:
    """Pull from the beginning to the end, and keep every event."""
    events: list[dict[str, Any]] = []
    with management.listen(Wish(("transfer",))) as heard:
        assert (await anext(heard)).type == "stream.ready"
        await management.start_pull("hf:acme/tiny", None)
        async with asyncio.timeout(30):
            while not events or events[-1]["data"]["state"] not in {"done", "failed"}:
                events.append(json.loads((await anext(heard)).body))
    return events


async def test_a_download_is_heard_from_its_first_to_its_last_byte(home: Path) -> None:
    """Each state once and in order; progress no more often than four times a second; what is safe never goes back."""
    (home / "run").mkdir()
    async with Hub() as hub:
        hub.add("acme/tiny", {"tiny-Q4_K_M.gguf": a_gguf(random.Random(5).randbytes(SIZE))})
        flags = {"discovery.enabled": False, "downloads.endpoint": hub.endpoint, "downloads.bandwidth": 2_000_000}
        async with open_roundhouse(load(home=home, flags=flags), url="http://127.0.0.1:8484") as roundhouse:
            events = await heard_of_a_pull(roundhouse.management)
    states = [each["data"]["state"] for each in events if each["type"] == "transfer.changed"]
    assert states == ["queued", "resolving", "downloading", "registering", "done"]
    progress = [each for each in events if each["type"] == "transfer.progress"]
    times = [datetime.fromisoformat(each["at"]) for each in progress]
    assert all((later - earlier).total_seconds() >= 0.24 for earlier, later in pairwise(times))
    assert any(each["data"]["rate"] and each["data"]["eta_s"] is not None for each in progress)
    for key in ("bytes_verified", "bytes_done"):
        numbers = [each["data"][key] for each in events]
        assert numbers == sorted(numbers)
    assert events[-1]["data"]["bytes_verified"] == events[-1]["data"]["bytes_total"] > SIZE
