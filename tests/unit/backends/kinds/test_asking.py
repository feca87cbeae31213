"""Kinds that tell more than OpenAI's dialect does."""

from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from roundhouse.backends.kinds.asking import Asking
from roundhouse.backends.kinds.litellm import LiteLLM
from roundhouse.backends.kinds.mlx.remote import MLX
from roundhouse.backends.kinds.vllm import VLLM
from roundhouse.core.inference import Capability, Deployment, Price
from roundhouse.testing.upstream import Upstream


class Telling(Upstream):
    """A fake that answers further paths."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__()
        self.answers = answers
        self.asked: list[str] = []

    def add_routes(self, app: web.Application) -> None:
        """First what is told, then the dialect."""
        for path in self.answers.keys() - {"/v1/models"}:
            app.router.add_get(path, self._tell)
        super().add_routes(app)

    async def _list(self, request: web.Request) -> web.Response:
        return await (self._tell(request) if request.path in self.answers else super()._list(request))

    async def _tell(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return web.json_response(self.answers[request.path])


@pytest.mark.parametrize(
    ("kind", "path", "said", "detail"),
    [
        (MLX, "/health", {"status": "ok"}, "mlx_lm.server answers"),
        (LiteLLM, "/health/liveliness", "I'm alive!", "LiteLLM answers"),
    ],
)
async def test_health_is_one_cheap_question(kind: type[Asking], path: str, said: object, detail: str) -> None:
    """Nothing that bills or reads a whole cache."""
    async with Telling({path: said}) as fake:
        backend = kind("it", fake.url)
        health = await backend.health()
        await backend.close()
    assert (True, detail, [path]) == (health.ok, health.detail, fake.asked)


async def test_a_mlx_server_holds_one_model_and_may_be_mute_at_work() -> None:
    """Older ones answer one at a time, and none says how old it is."""
    async with Upstream() as fake:
        backend = MLX("it", fake.url)
        deployments = await backend.deployments()
        await backend.close()
    assert deployments
    assert {32} == {each.traits.slots_usual for each in deployments}
    assert all(each.traits.alone and each.traits.mute_at_work for each in deployments)


async def test_what_is_no_vllm_is_not_well() -> None:
    """Another answer is no version."""
    async with Telling({"/health": "", "/version": []}) as fake:
        backend = VLLM("it", fake.url)
        health = await backend.health()
        await backend.close()
    assert not health.ok
    assert health.detail.startswith("it: /version answers something else")


async def test_litellm_promises_what_is_true_of_all_behind_a_name() -> None:
    """One name may stand for several deployments."""
    rows = [
        {"model_name": "echo", "model_info": {"mode": "chat", "max_input_tokens": 8000, "supports_vision": True}},
        {"model_name": "echo", "model_info": {"mode": "chat", "max_input_tokens": 4000, "supports_vision": None}},
    ]
    async with Telling({"/model/info": {"data": rows}}) as fake:
        backend = LiteLLM("it", fake.url)
        (echo,) = await backend.deployments()
        await backend.close()
    assert (4000, False) == (echo.context, Capability.VISION in echo.capabilities)


async def litellm_tells(*infos: Mapping[str, Any]) -> Deployment:
    """What is told of a model with these rows."""
    rows = [{"model_name": "echo", "model_info": info} for info in infos]
    async with Telling({"/model/info": {"data": rows}}) as fake:
        backend = LiteLLM("it", fake.url)
        (echo,) = await backend.deployments()
        await backend.close()
    return echo


@pytest.mark.parametrize(
    ("name", "capability", "unsaid"),
    [
        ("supports_function_calling", Capability.TOOLS, True),
        ("supports_response_schema", Capability.JSON_SCHEMA, True),
        ("supports_vision", Capability.VISION, False),
        ("supports_reasoning", Capability.THINKING, False),
    ],
)
async def test_litellm_says_what_models_can_do(name: str, capability: Capability, unsaid: bool) -> None:  # noqa: FBT001
    """What it does not say is as with any other server; all behind a name must be able to."""
    said: list[list[dict[str, object]]]
    said = [[{name: True}], [{name: False}], [{name: True}, {name: False}], [{name: None}], [{}], [{name: "yes"}]]
    can = [capability in (await litellm_tells(*infos)).capabilities for infos in said]
    assert [True, False, False, unsaid, unsaid, unsaid] == can


@pytest.mark.parametrize(
    ("infos", "price"),
    [
        ([{"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}], Price(1e-6, 2e-6)),
        ([{"input_cost_per_token": "1e-6", "output_cost_per_token": "2e-6"}], Price(1e-6, 2e-6)),
        (
            [
                {"input_cost_per_token": 1e-6, "output_cost_per_token": 4e-6},
                {"input_cost_per_token": 3e-6, "output_cost_per_token": 2e-6},
            ],
            Price(3e-6, 4e-6),
        ),
        ([{"mode": "embedding", "input_cost_per_token": 1e-7, "output_cost_per_token": 0.0}], Price(1e-7, 0.0)),
        ([{"input_cost_per_token": 0.0, "output_cost_per_token": 0.0}], None),
        ([{"mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 0.0}], None),
        ([{"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}, {}], None),
        ([{"input_cost_per_token": None, "output_cost_per_token": "cheap"}], None),
        ([{"input_cost_per_token": -1, "output_cost_per_token": 2e-6}], None),
        ([{"input_cost_per_token": 10**400, "output_cost_per_token": True}], None),
        ([{"input_cost_per_token": 5, "output_cost_per_token": 5}], None),
    ],
)
async def test_litellm_says_what_tokens_cost(infos: list[Mapping[str, Any]], price: Price | None) -> None:
    """The most that any behind a name may cost; nothing at all is its word for not knowing."""
    assert price == (await litellm_tells(*infos)).price


@pytest.mark.parametrize(
    ("sizes", "dimension"),
    [([1536], 1536), ([1536, 1536], 1536), ([1536, 3072], None), ([None], None), ([-1], None), (["many"], None)],
)
async def test_litellm_says_how_many_numbers_a_vector_has(sizes: list[object], dimension: int | None) -> None:
    """If all behind a name make as many."""
    infos = [{"mode": "embedding", "output_vector_size": size} for size in sizes]
    assert dimension == (await litellm_tells(*infos)).traits.dimension


async def test_litellm_says_which_models_put_documents_in_order() -> None:
    """Whatever they are called."""
    rows = [{"model_name": "echo", "model_info": {"mode": "rerank"}}]
    async with Telling({"/model/info": {"data": rows}}) as fake:
        backend = LiteLLM("it", fake.url)
        (echo,) = await backend.deployments()
        await backend.close()
    assert {Capability.RERANK} == echo.capabilities


@pytest.mark.parametrize("told", [{}, {"/model/info": {"detail": "no"}}])
async def test_a_key_that_may_not_ask_still_has_its_models(told: Mapping[str, Any]) -> None:
    """The list is enough."""
    async with Telling(told) as fake:
        backend = LiteLLM("it", fake.url)
        assert ["echo"] == [each.model for each in await backend.deployments()]
        await backend.close()
