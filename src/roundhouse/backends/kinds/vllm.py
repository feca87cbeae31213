"""vLLM: which version it is, and which repository a served name stands for. Knows nothing about when to use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from roundhouse.backends.kinds.asking import Asking
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Deployment
from roundhouse.core.ports import BackendHealth


class _Version(msgspec.Struct):
    version: str


class _Model(msgspec.Struct):
    id: str
    #: What it was started with: a repository, or a folder.
    root: str | None = None


class _Models(msgspec.Struct):
    data: list[_Model]


class VLLM(Asking):
    """One vLLM."""

    async def deployments(self) -> Sequence[Deployment]:
        """What it serves, with the repository behind each name. Raises NetworkError."""
        served = await super().deployments()
        try:
            listed = await self.ask("/v1/models", _Models)
        except RoundhouseError:  # the list above is what counts
            return served
        roots = {model.id: model.root for model in listed.data if model.root and not model.root.startswith(("/", "."))}
        return [
            replace(each, traits=replace(each.traits, repo=root)) if (root := roots.get(each.upstream)) else each
            for each in served
        ]

    async def health(self) -> BackendHealth:
        """Its version."""
        return await self.well("/version", lambda data: f"vLLM {msgspec.json.decode(data, type=_Version).version}")
