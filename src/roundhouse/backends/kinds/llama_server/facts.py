"""What llama-server tells of itself and of its models, and what follows from it. Knows nothing about sockets.

The context that counts is that of one slot, which only ``/props`` tells in all versions; the router's own ``/props``
tells 0. Whether it embeds or ranks stands nowhere: it is found out by asking for it with nothing to work on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from roundhouse.backends.wire.figures import numbers, parameters, size, slots, tokens
from roundhouse.backends.wire.listing import undeclared
from roundhouse.core.inference import Capability, Deployment, Residency
from roundhouse.core.runtimes import Traits
from roundhouse.core.weights.variants import quantization_of

_EMBEDDER, _RANKER = frozenset({Capability.EMBEDDING}), frozenset({Capability.RERANK})
#: ``Q4_K - Medium`` is what everybody else calls ``Q4_K_M``.
_MIXES = {"small": "S", "medium": "M", "large": "L"}
_FTYPE = re.compile(r"(?:all )?(?P<kind>[A-Z]+[A-Z0-9_]*)(?: MoE)?(?: - (?P<mix>\w+))?", re.IGNORECASE)
_TOOLS = re.compile(r"\btools\b")
_THINKS = re.compile(r"<think>|enable_thinking|reasoning_content|reasoning_effort")
_HUB_FILE = re.compile(r"models--(?P<owner>[\w.\-]+?)--(?P<name>[\w.\-]+)[/\\]snapshots[/\\]")
_HUB_NAME = re.compile(r"(?P<repo>[\w.\-]+/[\w.\-]+)(?::[\w.\-]+)?")
_ASLEEP = ("sleeping", "unloaded", "loading")


class Settings(msgspec.Struct):
    """What each slot has."""

    n_ctx: int | None = None


class Modalities(msgspec.Struct):
    """What it takes beside text."""

    vision: bool = False


class Props(msgspec.Struct):
    """What ``GET /props`` answers."""

    default_generation_settings: Settings | None = None
    total_slots: int | None = None
    model_path: str | None = None
    model_ftype: str | None = None
    modalities: Modalities | None = None
    chat_template: str | None = None
    #: Older versions do not tell.
    chat_template_caps: dict[str, object] | None = None
    build_info: str | None = None
    is_sleeping: bool = False
    #: ``router`` when it has no model of its own.
    role: str | None = None
    #: Of a router: models that it holds at a time; 0 is any number.
    max_instances: int | None = None

    @property
    def context(self) -> int | None:
        """Tokens that one slot holds."""
        return tokens(self.default_generation_settings.n_ctx if self.default_generation_settings else None)

    @property
    def is_router(self) -> bool:
        """Whether it serves several models, each in a process of its own."""
        return self.role == "router"

    @property
    def is_alone(self) -> bool:
        """Whether it has to drop one model for another."""
        return self.is_router and self.max_instances == 1


class Meta(msgspec.Struct):
    """What stands in the header of the weights."""

    n_ctx: int | None = None
    n_ctx_train: int | None = None
    n_params: int | None = None
    n_embd: int | None = None
    #: Bytes of the weights in memory.
    size: int | None = None
    ftype: str | None = None


class Status(msgspec.Struct):
    """How a model of a router is."""

    value: str | None = None
    #: Its last load failed; with what, is the exit code.
    failed: bool | None = None
    exit_code: int | None = None


class Architecture(msgspec.Struct):
    """What goes in; told by routers."""

    input_modalities: list[str] | None = None


class Entry(msgspec.Struct):
    """One model of the list."""

    id: str
    aliases: list[str] | None = None
    #: ``None`` while it loads.
    meta: Meta | None = None
    status: Status | None = None
    architecture: Architecture | None = None
    #: ``cache`` when the router got it from the hub.
    source: str | None = None

    @property
    def value(self) -> str:
        """How it is, in the router's words."""
        return (self.status.value if self.status else None) or ""

    @property
    def trouble(self) -> str | None:
        """What became of its last load, if that failed."""
        failed = self.status is not None and self.status.failed
        return f"its process ended with {self.status.exit_code}" if self.status and failed else None


class Models(msgspec.Struct):
    """What ``GET /models`` answers."""

    data: list[Entry]


@dataclass(frozen=True, slots=True)
class Modes:
    """What it was started for."""

    embeds: bool = False
    ranks: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """All that is told of one model."""

    entry: Entry
    #: ``None`` when it is not in memory.
    props: Props | None = None
    modes: Modes = Modes()
    load_s: float | None = None
    #: It is the only one that its router holds while it does.
    alone: bool = False

    def deployment(self, backend: str, name: str | None, *, local: bool) -> Deployment:
        """The same as routing sees it, by the *name* that somebody gave it."""
        return Deployment(
            backend=backend,
            model=name or undeclared(self.entry.id).name,
            upstream=self.entry.id,
            capabilities=self._capabilities(),
            context=self._context(),
            residency=self._residency(),
            local=local,
            traits=self._traits(),
        )

    def _context(self) -> int | None:
        meta = self.entry.meta
        return (self.props.context if self.props else None) or tokens(meta.n_ctx if meta else None)

    def _residency(self) -> Residency:
        if self.props is None:
            return Residency.COLD if self.entry.value in _ASLEEP or self.entry.meta is None else Residency.UNKNOWN
        return Residency.COLD if self.props.is_sleeping or self.entry.value in _ASLEEP else Residency.LOADED

    def _capabilities(self) -> frozenset[Capability]:
        if self.modes.ranks:
            return _RANKER
        by_name = undeclared(self.entry.id).capabilities
        if Capability.EMBEDDING in by_name:
            return by_name
        can = by_name | (_EMBEDDER if self.modes.embeds else frozenset())
        if self._sees():
            can |= {Capability.VISION}
        return can if self.props is None else _by_template(can, self.props)

    def _sees(self) -> bool:
        if self.props is not None and self.props.modalities is not None:
            return self.props.modalities.vision
        inputs = self.entry.architecture.input_modalities if self.entry.architecture else None
        return "image" in (inputs or ())

    def _traits(self) -> Traits:
        meta, props = self.entry.meta or Meta(), self.props or Props()
        return Traits(
            context_max=tokens(meta.n_ctx_train),
            quantization=_quantization(props.model_ftype or meta.ftype) or quantization_of(props.model_path or ""),
            parameters=parameters(meta.n_params),
            format="gguf",
            dimension=numbers(meta.n_embd) if self.modes.embeds and not self.modes.ranks else None,
            slots=slots(props.total_slots),
            memory=size(meta.size) if self._residency() is Residency.LOADED else None,
            repo=_repo(self.entry, props.model_path or ""),
            load_s=self.load_s,
            alone=self.alone,
            warnings=(f"its last load failed: {trouble}",) if (trouble := self.entry.trouble) else (),
        )


def _by_template(can: frozenset[Capability], props: Props) -> frozenset[Capability]:
    """*can* without what the chat template has no words for, and with what it has."""
    template, caps = props.chat_template or "", props.chat_template_caps
    if caps is None:
        has_tools, thinks = bool(_TOOLS.search(template)), bool(_THINKS.search(template))
    else:
        has_tools = bool(caps.get("supports_tools") or caps.get("supports_tool_calls"))
        thinks = bool(caps.get("supports_reasoning_effort")) or bool(_THINKS.search(template))
    return (can if has_tools else can - {Capability.TOOLS}) | ({Capability.THINKING} if thinks else set())


def _quantization(ftype: str | None) -> str | None:
    match = _FTYPE.match((ftype or "").removeprefix("(guessed)").strip())
    if match is None or not any(char.isdigit() for char in match["kind"]):
        return None
    kind, mix = match["kind"].upper(), _MIXES.get((match["mix"] or "").lower())
    # The middle one of that kind has no letter in anybody's file names.
    return kind if mix is None or (kind, mix) == ("Q2_K", "M") else f"{kind}_{mix}"


def _repo(entry: Entry, path: str) -> str | None:
    """The hub's repository, when the weights lie in the hub's cache."""
    if file := _HUB_FILE.search(path):
        return f"{file['owner']}/{file['name']}"
    named = _HUB_NAME.fullmatch(entry.id) if entry.source == "cache" else None
    return named["repo"] if named else None
