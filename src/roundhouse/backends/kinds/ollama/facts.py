"""What Ollama tells of its models, and what may be believed of it. Pure; knows nothing about HTTP.

Traps: ``digest`` of the list is that of a manifest, the weights' own stands in the modelfile; the context of ``show``
is what the model was made for, the one of ``ps`` what is loaded; models of Ollama's cloud are listed like local ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from roundhouse.backends.kinds.window import Reach
from roundhouse.backends.wire.figures import numbers, parameters, tokens
from roundhouse.backends.wire.listing import undeclared
from roundhouse.core.inference import Capability, Deployment, Residency
from roundhouse.core.runtimes import Traits

_CAPABILITIES = {
    "completion": frozenset({Capability.CHAT, Capability.COMPLETION, Capability.JSON_SCHEMA}),
    "tools": frozenset({Capability.TOOLS}),
    "vision": frozenset({Capability.VISION}),
    "embedding": frozenset({Capability.EMBEDDING}),
    "thinking": frozenset({Capability.THINKING}),
}
_WEIGHTS = re.compile(r"^FROM\s+\S*sha256[-:]([0-9a-f]{64})\s*$", re.MULTILINE)
#: What a model brings beside its weights; the words of its template are not among it.
_EXTRAS = re.compile(r"^(SYSTEM|MESSAGE|ADAPTER)\s", re.MULTILINE)
_CALLED = {"SYSTEM": "system", "MESSAGE": "messages", "ADAPTER": "adapter"}
_NUM_CTX = re.compile(r"^num_ctx\s+(\d{1,9})\s*$", re.MULTILINE)
_COUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMBT]?)")
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
#: A stub of a cloud model is a manifest and nothing else; the smallest real weights are larger.
_STUB = 1 << 20
#: Requests that a model works on together at most, unless OLLAMA_NUM_PARALLEL says more: 4 where they fit in older
#: versions, 1 in newer ones, and nothing tells which it is.
_SLOTS = 4


class Details(msgspec.Struct, gc=False):
    """What both the list and ``show`` say of a model."""

    format: str | None = None
    family: str | None = None
    parameter_size: str | None = None
    quantization_level: str | None = None
    context_length: int | None = None
    embedding_length: int | None = None


class Tag(msgspec.Struct, gc=False):
    """One model of the list."""

    name: str = ""
    model: str = ""
    size: int = 0
    digest: str = ""
    details: Details | None = None
    capabilities: list[str] | None = None
    remote_model: str | None = None
    remote_host: str | None = None

    @property
    def id(self) -> str:
        """Its name with its tag."""
        return self.model or self.name

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs in Ollama's cloud; older versions only tell by the name and the size of a stub."""
        tag = self.id.rpartition(":")[2]
        return bool(self.remote_host or self.remote_model) or (
            self.size < _STUB and (tag == "cloud" or tag.endswith("-cloud"))
        )


class Tags(msgspec.Struct, gc=False):
    """The list; no models are ``null``."""

    models: list[Tag] | None = None


class Running(msgspec.Struct, gc=False):
    """One model in memory."""

    name: str = ""
    model: str = ""
    size: int = 0
    size_vram: int = 0
    context_length: int = 0


class Runnings(msgspec.Struct, gc=False):
    """What is in memory."""

    models: list[Running] | None = None


class Shown(msgspec.Struct, gc=False):
    """What ``show`` says; of the long part only what is read."""

    modelfile: str = ""
    parameters: str = ""
    details: Details | None = None
    model_info: dict[str, msgspec.Raw] | None = None
    capabilities: list[str] | None = None

    def number(self, key: str) -> float | None:
        """A number of the weights' own header, by its name without the architecture."""
        for name, raw in (self.model_info or {}).items():
            if name == key or name.partition(".")[2] == key:
                try:
                    return msgspec.json.decode(raw, type=float)
                except msgspec.DecodeError:
                    return None
        return None


#: Nobody could be asked.
UNSHOWN = Shown()


@dataclass(frozen=True, slots=True)
class Limits:
    """What somebody configured about contexts."""

    fixed: int | None = None
    largest: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """One model and everything that was said of it."""

    tag: Tag
    shown: Shown = UNSHOWN
    running: Running | None = None
    load_s: float | None = None

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do; told by its name where an old version says nothing."""
        told = self.shown.capabilities or self.tag.capabilities
        if not told:
            return undeclared(self.tag.id).capabilities
        return frozenset[Capability]().union(*(_CAPABILITIES.get(each, frozenset()) for each in told))

    @property
    def trained(self) -> int | None:
        """Tokens that it was made for."""
        listed = self.tag.details.context_length if self.tag.details else None
        return tokens(self.shown.number("context_length")) or tokens(listed)

    def reach(self, limits: Limits) -> Reach:
        """Between which sizes its context may be."""
        known = [each for each in (self.trained, limits.largest) if each]
        floor = _NUM_CTX.search(self.shown.parameters)
        reach = Reach(min(known, default=None), fixed=limits.fixed)
        return reach if floor is None else Reach(reach.largest, max(int(floor[1]), 1), reach.fixed)

    def deployment(self, backend: str, limits: Limits, *, local: bool) -> Deployment:
        """The same as routing sees it: its context is what a request can really have."""
        elsewhere = self.tag.is_elsewhere
        residency = (
            Residency.UNKNOWN
            if elsewhere or not self.tag.digest
            else Residency.LOADED
            if self.running
            else Residency.COLD
        )
        return Deployment(
            backend=backend,
            model=self.tag.id,
            upstream=self.tag.id,
            capabilities=self.capabilities,
            context=self.reach(limits).served,
            residency=residency,
            local=local and not elsewhere,
            traits=self.traits(),
        )

    def traits(self) -> Traits:
        """Everything else."""
        details = self.shown.details or self.tag.details or Details()
        embeds = Capability.EMBEDDING in self.capabilities
        weights = _WEIGHTS.search(self.shown.modelfile)
        return Traits(
            context_max=self.trained,
            quantization=_named(details.quantization_level),
            parameters=parameters(self.shown.number("parameter_count")) or count_of(details.parameter_size),
            family=details.family or None,
            format=details.format or None,
            dimension=(numbers(self.shown.number("embedding_length")) or details.embedding_length) if embeds else None,
            # Embeddings of one moment become one call, which a limit would cut in pieces.
            slots_usual=None if embeds or self.tag.is_elsewhere else _SLOTS,
            memory=self.running.size if self.running else None,
            vram=self.running.size_vram if self.running else None,
            size=None if self.tag.is_elsewhere else self.tag.size or None,
            digest=weights[1] if weights else None,
            repo=_repo(self.tag.id),
            extras=frozenset(_CALLED[each] for each in _EXTRAS.findall(self.shown.modelfile)),
            # Of the manifest: the same weights with another system prompt or other parameters answer otherwise.
            variant=self.tag.digest or None,
            load_s=self.load_s,
            warnings=tuple(self._warnings()),
        )

    def _warnings(self) -> list[str]:
        if self.tag.is_elsewhere:
            return [f"it runs at {self.tag.remote_host or 'ollama.com'}: what it is asked leaves this machine"]
        running = self.running
        if running is None or not 0 <= running.size_vram < running.size:
            return []
        if not running.size_vram:
            return ["it lies wholly on the CPU"]
        percent = max(1, round(100 * (running.size - running.size_vram) / running.size))
        return [f"{percent} % of it lie on the CPU: a smaller context or a smaller quantisation would fit the GPU"]


def count_of(text: str | None) -> int | None:
    """A number of parameters such as ``7.6B``."""
    match = _COUNT.fullmatch((text or "").strip().upper())
    return parameters(float(match[1]) * _UNITS[match[2]]) if match else None


def _named(text: str | None) -> str | None:
    return None if not text or text == "unknown" else text


def _repo(name: str) -> str | None:
    """The hub's repository of a model that Ollama got from there: ``hf.co/owner/repo:quant``."""
    host, _, rest = name.partition("/")
    return rest.rpartition(":")[0] or rest if host in ("hf.co", "huggingface.co") and "/" in rest else None
