"""What is known about the weights of one deployment, from what it tells and its name. Knows no other deployment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from roundhouse.core.inference import Capability, Deployment
from roundhouse.routing.identity.names import Named, hub_name, is_packed, label_of, near, quantization_in, read

_SHA256 = re.compile(r"[0-9a-f]{64}")
_WRITING = frozenset({Capability.CHAT, Capability.COMPLETION})
#: The label of weights as their maker published them, where nothing else is said.
_PUBLISHED = "as published"
#: What LM Studio puts before the names of its embedding models.
_EMBEDDER = "text-embedding-"
#: Labels that only whoever packed the file knows exactly: a header calls them by their nearest relative.
_OWN_LABEL = re.compile(r"UD-|_(?:XL|XXS|NL)$|_K_[LX]")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one deployment's weights are known to be."""

    id: str
    #: Which model, but for size and quantisation; ``None`` when nothing says so.
    model: tuple[str, ...] | None
    size: str | None = None
    parameters: int | None = None
    #: ``None`` when nobody told.
    quantization: str | None = None
    digest: str | None = None
    #: Where the name of the model came from, when that is a hub's repository.
    repo: str | None = None
    packager: str | None = None
    #: Its model answers with words of its own, a system prompt or examples, beside its weights.
    dressed: bool = False
    #: Why nothing else may be the same as this.
    alone: str | None = None

    @property
    def name(self) -> str:
        """Without the backend."""
        return self.id.partition("/")[2]


class Reader:
    """Reads evidence, and remembers it as long as a deployment tells the same: a fleet is read every few seconds."""

    def __init__(self) -> None:
        self._known: Mapping[str, tuple[Deployment, Evidence]] = {}

    def read(self, deployments: Iterable[Deployment]) -> list[Evidence]:
        """The evidence about each of *deployments*."""
        before, self._known = self._known, {}
        known: dict[str, tuple[Deployment, Evidence]] = {}
        for each in deployments:
            name = each.id
            row = before.get(name)
            known[name] = row if row is not None and _alike(row[0], each) else (each, evidence_of(each))
        self._known = known
        return [evidence for _, evidence in known.values()]


def _alike(one: Deployment, other: Deployment) -> bool:
    """Whether they tell the same of their weights: not where these are at the moment."""
    same = one.traits == other.traits and one.capabilities == other.capabilities
    return same and one.local == other.local


def evidence_of(deployment: Deployment) -> Evidence:
    """What is known about the weights of *deployment*."""
    traits = deployment.traits
    name = _full_name(deployment)
    named, hub = read(name, traits.family), hub_name(name)
    quantization, fits = _quantization(deployment, named, name)
    model, size = _model(deployment, named, hub)
    parameters = traits.parameters if traits.parameters and traits.parameters > 0 else None
    if named is not None and named.parameters and parameters and not near(named.parameters, parameters):
        fits = False
    digest = (traits.digest or "").lower().removeprefix("sha256:")
    return Evidence(
        id=deployment.id,
        model=model if fits else None,
        size=size,
        parameters=parameters,
        quantization=quantization,
        digest=digest if _SHA256.fullmatch(digest) else None,
        repo=traits.repo,
        packager=named.packager if named is not None else None,
        dressed="system" in traits.extras or "messages" in traits.extras,
        alone="an adapter changes its weights" if "adapter" in traits.extras else None,
    )


def _full_name(deployment: Deployment) -> str:
    """The name of the model with the hub's owner, as far as that is told."""
    model, traits = deployment.model, deployment.traits
    if traits.repo:
        return f"{traits.repo}:{_tag(model)}"
    if not traits.publisher or "/" in model:
        return model
    # LM Studio calls a model like its repository, but leaves out what it tells elsewhere.
    base, at, quantization = model.partition("@")
    plain = base.removeprefix(_EMBEDDER) if deployment.capabilities.isdisjoint(_WRITING) else base
    packed = "-gguf" if traits.format == "gguf" and not plain.lower().endswith("gguf") else ""
    return f"{traits.publisher}/{plain}{packed}{at}{quantization}"


def _tag(model: str) -> str:
    """The tag of a model that came from a hub: which of its files it is."""
    return model.rpartition(":")[2] if ":" in model.rpartition("/")[2] else ""


def _model(deployment: Deployment, named: Named | None, hub: str | None) -> tuple[tuple[str, ...] | None, str | None]:
    """Which model it is, and its size: by its name where that is understood, else by its repository's."""
    if named is not None and not (named.closed and deployment.local):
        embeds = deployment.capabilities.isdisjoint(_WRITING)
        return (*(("embedding",) if embeds else ()), *named.words), named.size
    return (None, None) if hub is None else (("repository", hub), None)


def _quantization(deployment: Deployment, named: Named | None, name: str) -> tuple[str | None, bool]:
    """The quantisation, and whether what was told of it fits together."""
    traits = deployment.traits
    told = label_of(traits.quantization, name, traits.format)
    said = quantization_in(name) if named is None else named.quantization
    if told and said and traits.format == "mlx" and not said.startswith("MLX-"):
        said = f"MLX-{said}"
    if told and said and told != said:
        return (said, True) if _OWN_LABEL.search(said) else (None, False)
    label = told or said
    if label is None and named is not None and named.closed:
        return _PUBLISHED, True
    if label is None and named is not None and named.native is not None:
        return named.native, True
    if label is None and traits.repo is not None and not is_packed(traits.repo):
        return _PUBLISHED, True
    return label, True
