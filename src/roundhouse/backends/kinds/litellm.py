"""LiteLLM's proxy: what it knows of its models when the key may ask. Knows nothing about the providers behind it.

Never asks ``/health``: that makes a billed call for each model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from roundhouse.backends.kinds.asking import Asking
from roundhouse.backends.wire.figures import numbers, tokens
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Capability, Deployment, Price
from roundhouse.core.ports import BackendHealth

_EMBEDDING, _RERANK = "embedding", "rerank"
#: USD for one token: more is no price but a mistake.
_DEAREST = 1.0
#: What is taken for granted until somebody says no.
_GRANTED = (("supports_function_calling", Capability.TOOLS), ("supports_response_schema", Capability.JSON_SCHEMA))
#: What is there only if somebody says so.
_DECLARED = (("supports_vision", Capability.VISION), ("supports_reasoning", Capability.THINKING))


class _Info(msgspec.Struct):
    """What is known of one deployment there; whoever runs the proxy may have written anything for most of it."""

    mode: str | None = None
    max_input_tokens: float | None = None
    supports_function_calling: object = None
    supports_response_schema: object = None
    supports_vision: object = None
    supports_reasoning: object = None
    output_vector_size: object = None
    #: USD for one token; zero is unknown.
    input_cost_per_token: object = None
    output_cost_per_token: object = None


class _Row(msgspec.Struct):
    model_name: str
    model_info: _Info = msgspec.field(default_factory=_Info)


class _Rows(msgspec.Struct):
    #: An object instead of a list when there is one model.
    data: list[_Row] | _Row


class LiteLLM(Asking):
    """One proxy."""

    async def deployments(self) -> Sequence[Deployment]:
        """What the key may use, with what is known of it. Raises NetworkError."""
        served = await super().deployments()
        try:
            found = (await self.ask("/model/info", _Rows)).data
        except RoundhouseError:  # not every key may ask
            return served
        # One row for each deployment of a name: what is true of all of them is what can be promised.
        infos: dict[str, list[_Info]] = {}
        for row in found if isinstance(found, list) else [found]:
            infos.setdefault(row.model_name, []).append(row.model_info)
        return [_told(each, infos.get(each.upstream, [])) for each in served]

    async def health(self) -> BackendHealth:
        """Whether the proxy itself lives."""
        return await self.well("/health/liveliness", lambda _data: "LiteLLM answers")


def _told(deployment: Deployment, infos: Sequence[_Info]) -> Deployment:
    if not infos:
        return deployment
    contexts = list(filter(None, (tokens(info.max_input_tokens) for info in infos)))
    dimensions = {_number(info.output_vector_size) for info in infos}
    dimension = numbers(dimensions.pop()) if len(dimensions) == 1 else None
    return replace(
        deployment,
        capabilities=_capabilities(deployment.capabilities, infos),
        context=min(contexts, default=deployment.context),
        price=_price(infos) or deployment.price,
        traits=replace(deployment.traits, dimension=dimension),
    )


def _capabilities(usual: frozenset[Capability], infos: Sequence[_Info]) -> frozenset[Capability]:
    modes = {info.mode for info in infos}
    if modes == {_EMBEDDING}:
        return frozenset({Capability.EMBEDDING})
    if modes == {_RERANK}:
        return frozenset({Capability.RERANK})
    lacks = {can for name, can in _GRANTED if any(getattr(info, name) is False for info in infos)}
    has = {can for name, can in _DECLARED if all(getattr(info, name) is True for info in infos)}
    return (usual | has) - lacks


def _price(infos: Sequence[_Info]) -> Price | None:
    """What tokens cost at most, whichever of them answers; ``None`` when that is not known of all."""
    prices = [_price_of(info) for info in infos]
    known = [price for price in prices if price is not None]
    return Price(*map(max, zip(*known, strict=True))) if len(known) == len(prices) else None


def _price_of(info: _Info) -> tuple[float, float] | None:
    asked, answered = (_number(cost) or 0.0 for cost in (info.input_cost_per_token, info.output_cost_per_token))
    if info.mode in (_EMBEDDING, _RERANK):  # which answer no tokens
        return (asked, 0.0) if 0 < asked < _DEAREST else None
    return (asked, answered) if 0 < asked < _DEAREST and 0 < answered < _DEAREST else None


def _number(told: object) -> float | None:
    """A number, also one in quotes."""
    try:
        return float(told) if isinstance(told, int | float | str) and not isinstance(told, bool) else None
    except (ValueError, OverflowError):
        return None
