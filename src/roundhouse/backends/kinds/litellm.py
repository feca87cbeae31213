"""LiteLLM's proxy: what it knows of its models when the key may ask. Knows nothing about the providers behind it.

Never asks ``/health``: that makes a billed call for each model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from roundhouse.backends.kinds.asking import Asking
from roundhouse.backends.wire.figures import tokens
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Capability, Deployment
from roundhouse.core.ports import BackendHealth


class _Info(msgspec.Struct):
    mode: str | None = None
    max_input_tokens: int | None = None
    supports_vision: bool | None = None


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
    capabilities = deployment.capabilities
    modes = {info.mode for info in infos}
    if modes == {"embedding"}:
        capabilities = frozenset({Capability.EMBEDDING})
    elif modes == {"rerank"}:
        capabilities = frozenset({Capability.RERANK})
    elif all(info.supports_vision for info in infos):
        capabilities |= {Capability.VISION}
    return replace(deployment, capabilities=capabilities, context=min(contexts, default=deployment.context))
