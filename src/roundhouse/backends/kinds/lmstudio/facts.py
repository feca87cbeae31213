"""The lists of models that LM Studio's native APIs answer, and what they say. Knows nothing about sockets.

The context of a model that is not loaded is not known: LM Studio loads with a default of its own, not with the maximum.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

from roundhouse.backends.wire.figures import parameters, slots, tokens
from roundhouse.core.inference import Capability, Residency
from roundhouse.core.runtimes import UNTOLD, Traits

_WRITER = frozenset({Capability.CHAT, Capability.COMPLETION, Capability.TOOLS, Capability.JSON_SCHEMA})
_EMBEDDER = frozenset({Capability.EMBEDDING})
_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([KMBT])", re.IGNORECASE)
_SCALE = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_OWNER, _BY_HAND = re.compile(r"[A-Za-z0-9][\w.\-]{0,95}", re.ASCII), "imported-models"
#: What "Max Concurrent Predictions" is, unless somebody changes it.
_SLOTS = 4
_RESIDENCIES = {"loaded": Residency.LOADED, "not-loaded": Residency.COLD}


class _Quantization(msgspec.Struct):
    name: str | None = None


class _Config(msgspec.Struct):
    context_length: int | None = None
    parallel: int | None = None


class _InstanceV1(msgspec.Struct):
    id: str
    config: _Config = msgspec.field(default_factory=_Config)


class _Can(msgspec.Struct):
    vision: bool = False
    #: ``None`` where nobody tells.
    trained_for_tool_use: bool | None = None
    #: An object for models that think; of interest is only that there is one.
    reasoning: object = None


class _ModelV1(msgspec.Struct):
    key: str
    type: str
    publisher: str | None = None
    loaded_instances: list[_InstanceV1] = []
    architecture: str | None = None
    quantization: _Quantization | None = None
    size_bytes: int | None = None
    params_string: str | None = None
    max_context_length: int | None = None
    format: str | None = None
    capabilities: _Can | None = None


class ListV1(msgspec.Struct):
    """What ``GET /api/v1/models`` answers."""

    models: list[_ModelV1]


class _ModelV0(msgspec.Struct):
    id: str
    type: str
    state: str
    publisher: str | None = None
    arch: str | None = None
    compatibility_type: str | None = None
    quantization: str | None = None
    max_context_length: int | None = None
    loaded_context_length: int | None = None


class ListV0(msgspec.Struct):
    """What ``GET /api/v0/models`` answers."""

    data: list[_ModelV0]


@dataclass(frozen=True, slots=True)
class Instance:
    """One copy of a model in memory: what it is called, by which alone it can be unloaded, and tokens that fit."""

    id: str
    context: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """One model as LM Studio tells of it."""

    key: str
    capabilities: frozenset[Capability]
    context: int | None = None
    residency: Residency = Residency.UNKNOWN
    traits: Traits = UNTOLD
    instances: tuple[Instance, ...] = field(default=())


def known_v1(listed: ListV1) -> list[Known]:
    """The models of the native API of 0.4 and later."""
    return [_of_v1(model) for model in listed.models]


def known_v0(listed: ListV0) -> list[Known]:
    """The models of the native API before 0.4, which names no instances: they are called like their model.

    It loads by being asked, and drops what it had loaded like that; when several are there, somebody put them there.
    """
    loaded = sum(model.state == "loaded" for model in listed.data)
    return [_of_v0(model, alone=loaded <= 1) for model in listed.data]


def count_of(text: str | None) -> int | None:
    """How many parameters ``7B`` or ``270M`` are; of ``8x7B``, which does not say, nothing."""
    match = _COUNT.fullmatch((text or "").strip())
    return parameters(float(match[1]) * _SCALE[match[2].upper()]) if match else None


def _of_v1(model: _ModelV1) -> Known:
    first = model.loaded_instances[0].config if model.loaded_instances else None
    return Known(
        key=model.key,
        capabilities=_capabilities(model.type, model.capabilities or _Can()),
        context=tokens(first.context_length) if first else None,
        residency=Residency.LOADED if first else Residency.COLD,
        traits=Traits(
            context_max=model.max_context_length,
            quantization=model.quantization.name if model.quantization else None,
            parameters=count_of(model.params_string),
            family=model.architecture,
            format=model.format,
            slots=slots(first.parallel) if first else None,
            slots_usual=_SLOTS,
            size=model.size_bytes,
            publisher=_publisher(model.publisher),
        ),
        instances=tuple(Instance(each.id, tokens(each.config.context_length)) for each in model.loaded_instances),
    )


def _of_v0(model: _ModelV0, *, alone: bool) -> Known:
    residency = _RESIDENCIES.get(model.state, Residency.UNKNOWN)
    context = tokens(model.loaded_context_length)
    return Known(
        key=model.id,
        capabilities=_capabilities(model.type, _Can(vision=model.type == "vlm")),
        context=context,
        residency=residency,
        traits=Traits(
            context_max=model.max_context_length,
            quantization=model.quantization,
            family=model.arch,
            format=model.compatibility_type,
            slots_usual=1,  # before 0.4 a model answers one request after the other
            alone=alone,
            publisher=_publisher(model.publisher),
        ),
        instances=(Instance(model.id, context),) if residency is Residency.LOADED else (),
    )


def _publisher(text: str | None) -> str | None:
    """The hub's owner; of a file that somebody put there by hand, LM Studio knows none."""
    return text if text and text != _BY_HAND and _OWNER.fullmatch(text) else None


def _capabilities(kind: str, can: _Can) -> frozenset[Capability]:
    if kind in {"embedding", "embeddings"}:
        return _EMBEDDER
    vision = {Capability.VISION} if can.vision else set()
    thinking = {Capability.THINKING} if can.reasoning else set()
    # LM Studio would describe the tools to the others in words, and call what they say a call or not.
    lacks = {Capability.TOOLS} if can.trained_for_tool_use is False else set()
    return (_WRITER | vision | thinking) - lacks
