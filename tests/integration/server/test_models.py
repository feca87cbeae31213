"""The list of models as a whole house tells it."""

from pathlib import Path

import aiohttp

from roundhouse.testing.node import a_node


async def test_what_a_house_holds_and_serves_itself_is_listed(tmp_path: Path) -> None:
    """All that is known of the weights is in the answer, where the library knows it."""
    async with a_node(tmp_path, {"downloads.offline": True}) as node, aiohttp.ClientSession() as session:
        answer = await session.get(f"{node.url}/api/v1/models")
        (noise,) = (await answer.json())["models"]
    assert (200, 64) == (answer.status, len(noise["digest"]))
