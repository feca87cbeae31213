"""A repair that is killed leaves the damaged file or the right one, and nothing in between."""

import asyncio
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.hub import Hub
from roundhouse.testing.victim import Victim

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VICTIM = Path(__file__).with_name("repair_victim.py")
SIZE, CHUNK, SEED = 4 << 20, 1 << 18, 20_261
WRONG = 10


def spoil(blob: Path, data: bytes, chance: random.Random) -> bytes:
    """Flip a bit in some chunks; what the file holds then."""
    spoiled = bytearray(data)
    for chunk in chance.sample(range(SIZE // CHUNK), WRONG):
        spoiled[chunk * CHUNK + chance.randrange(CHUNK)] ^= 1
    blob.write_bytes(spoiled)
    return bytes(spoiled)


async def kill_after(victim: Victim, hub: Hub, more: int) -> bool:
    """Let it fetch about *more* bytes, and kill it; whether it was killed and had not ended."""
    fetching = asyncio.ensure_future(hub.sends(hub.bytes_sent + more))
    ending = asyncio.ensure_future(asyncio.to_thread(lambda: list(victim.lines())))
    await asyncio.wait([fetching, ending], return_when=asyncio.FIRST_COMPLETED, timeout=60)
    victim.kill()
    code = await asyncio.to_thread(victim.end)
    await ending
    fetching.cancel()
    return code == -signal.SIGKILL


async def test_a_repair_killed_at_random_points_is_old_or_new(
    tmp_path: Path, times: int, start_victim: Callable[..., Victim]
) -> None:
    """The blob has its old bytes or all the right ones after each kill; the next repair ends right and tidy."""
    chance, data, killed = random.Random(SEED), a_gguf(random.Random(SEED).randbytes(SIZE)), 0
    root = tmp_path / "library"
    async with Hub() as hub:
        hub.add("acme/tiny", {"tiny-Q4_K_M.gguf": data})
        arguments = (VICTIM, f"sqlite:///{tmp_path}/db.sqlite", str(root), hub.endpoint, "hf:acme/tiny")
        assert ["here True"] == await asyncio.to_thread(lambda: list(start_victim(*arguments).lines()))
        (blob,) = root.glob("blobs/sha256-*")
        hub.bytes_per_s = 40e6
        for _ in range(times):
            spoiled = await asyncio.to_thread(spoil, blob, data, chance)
            killed += await kill_after(start_victim(*arguments), hub, chance.randrange(1, WRONG * CHUNK))
            assert await asyncio.to_thread(blob.read_bytes) in {spoiled, data}
        said = await asyncio.to_thread(lambda: list(start_victim(*arguments).lines()))
    assert said[-1].startswith(("over repaired", "over right"))
    assert (data, []) == (blob.read_bytes(), [*root.glob("partials/*"), *root.glob("quarantine/*")])
    assert killed
    print(f"repair: {killed} of {times} kills hit it at work, old or new each time")
