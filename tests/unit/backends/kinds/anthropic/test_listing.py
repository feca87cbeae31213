import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from roundhouse.backends.kinds.anthropic.listing import listed
from roundhouse.core.errors import BackendError
from roundhouse.core.inference import Capability
from roundhouse.testing.anthropic_shapes import Model

DEPRECATED = Model("claude-sonnet-4-5", lifecycle="deprecated", retires_at="2026-11-30T00:00:00Z")


def pages(*found: dict[str, Any]) -> tuple[list[str], Callable[[str], Awaitable[bytes]]]:
    """Something that answers with these, in turn, and what it was asked."""
    asked: list[str] = []

    async def get(path: str) -> bytes:
        asked.append(path)
        return json.dumps(found[min(len(asked), len(found)) - 1]).encode()

    return asked, get


def page(*models: Model, more: bool = False) -> dict[str, Any]:
    """One page."""
    return {"data": [model.listed() for model in models], "has_more": more, "last_id": models[-1].name}


async def test_all_pages_are_read() -> None:
    """From the last one of each on, whatever its name is written with."""
    asked, get = pages(page(Model("a/b c"), more=True), page(Model("d")))
    assert ["a/b c", "d"] == [model.name for model in await listed(get)]
    assert ["/v1/models?limit=1000", "/v1/models?limit=1000&after_id=a%2Fb%20c"] == asked


async def test_a_list_without_end_ends() -> None:
    """One that says that there is more, again and again."""
    asked, get = pages(page(Model("a"), more=True))
    assert (1, 20) == (len(await listed(get)), len(asked))


async def test_the_list_is_believed_before_the_name() -> None:
    """Of what a model takes, and how much."""
    told = Model("claude-3-haiku", budget=False, adaptive=True, silent=False, vision=False, context=9, answer=8)
    _, get = pages(page(told))
    nature = (await listed(get))[0].nature
    assert (True, False, False, False, True, False, 9, 8) == (
        nature.adaptive,
        nature.budget,
        nature.silent,
        nature.samples,
        nature.schemas,
        nature.vision,
        nature.context,
        nature.answer,
    )
    assert "xhigh" in nature.efforts


async def test_what_is_retired_is_not_listed_and_what_will_be_says_so() -> None:
    """The list keeps both."""
    _, get = pages(page(DEPRECATED, Model("claude-2.1", lifecycle="retired")))
    (model,) = await listed(get)
    deployment = model.deployment("cloud", local=False)
    assert ("it is deprecated, and retires on 2026-11-30",) == deployment.traits.warnings


async def test_capabilities_are_those_of_the_model() -> None:
    """All of them chat, call tools and follow a schema; not all see, or think."""
    _, get = pages(page(Model("claude-x", vision=False, budget=False), Model("claude-y")))
    first, second = [model.deployment("c", local=False).capabilities for model in await listed(get)]
    assert {Capability.CHAT, Capability.TOOLS, Capability.JSON_SCHEMA} == first
    assert {Capability.VISION, Capability.THINKING} == second - first


async def test_a_list_in_openais_shape_tells_names() -> None:
    """And the names tell the rest."""
    _, get = pages({"object": "list", "data": [{"id": "claude-opus-5", "object": "model", "created": 1}]})
    (model,) = await listed(get)
    assert (True, 1_000_000) == (model.nature.adaptive, model.nature.context)


@pytest.mark.parametrize("found", [[], {"data": 7}, {"data": [{}]}, {"data": [{"id": 7}]}, {}])
async def test_what_is_no_list_is_an_error(found: Any) -> None:
    """Of the backend's."""
    _, get = pages(found)
    with pytest.raises(BackendError, match="list of models"):
        await listed(get)
