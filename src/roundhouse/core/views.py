"""A running Roundhouse as people see it: the values that the management API and the pages show.

Knows nothing about HTTP or HTML. Field names are the keys of the JSON under ``/api/v1``: a rename here
changes the public API. No postponed annotations: pydantic reads these types to make the schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from roundhouse.core.artifacts import LicenseState
from roundhouse.core.desks.placing import MemoryNeed
from roundhouse.core.desks.same import Twin

Dimension = Literal["model", "backend", "day"]
CheckStatus = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """One backend and how it is."""

    name: str
    kind: str
    #: ``None`` for the embedded runtime, which has no address of its own.
    url: str | None
    #: Named in the configuration; False when it was found by itself.
    configured: bool
    ok: bool
    #: One sentence for people: a version, or what is wrong.
    detail: str
    latency_ms: float | None
    #: How many models it offers.
    deployments: int
    #: The models whose weights are in memory.
    loaded: tuple[str, ...] = ()
    #: The models that are much slower there than when they are well.
    degraded: tuple[str, ...] = ()
    #: Taken in with `roundhouse backends add`, and let go of with `rm`.
    added: bool = False
    #: What somebody should see to though it answers; part of *detail*.
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A runtime that answered on one of the usual ports."""

    kind: str
    name: str
    url: str
    detail: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NextStep:
    """What is worth doing now, and the exact command for it."""

    text: str
    command: str


@dataclass(frozen=True, slots=True)
class Status:
    """The house at a glance."""

    version: str
    url: str
    home: str
    started_at: datetime
    database: Literal["sqlite", "postgresql"]
    backends: tuple[BackendStatus, ...]
    found: tuple[Found, ...]
    models: int
    next: NextStep
    #: Whether runtimes are looked for on this machine.
    looks_around: bool = True


@dataclass(frozen=True, slots=True)
class Check:
    """One question that `doctor` asks, and its answer."""

    name: str
    status: CheckStatus
    detail: str
    fix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model that can be asked for: an artifact of the library, or one that only a remote backend has."""

    name: str
    source: str | None = None
    ref: str | None = None
    revision: str | None = None
    format: str | None = None
    architecture: str | None = None
    quantization: str | None = None
    context: int | None = None
    parameters: int | None = None
    #: Bytes on our disk; ``None`` when we hold none.
    size: int | None = None
    license: str | None = None
    #: Who named the licence; what exactly stands for it; whether it is in the way of serving.
    license_source: str | None = None
    license_digest: str | None = None
    license_state: LicenseState | None = None
    created_at: datetime | None = None
    verified_at: datetime | None = None
    #: Some deployment has its weights in memory.
    loaded: bool = False
    #: Ids, ``backend/model``.
    deployments: tuple[str, ...] = ()
    #: Other names that the same weights go by.
    same_as: tuple[str, ...] = ()
    #: The library holds its bytes.
    local: bool
    #: Cleaning up never takes it.
    pinned: bool = False
    tags: tuple[str, ...] = ()
    last_used_at: datetime | None = None
    times_used: int = 0
    #: Why nobody serves it although it is here; ``None`` when somebody does, or could.
    unserved: str | None = None
    #: Some of its bytes were found wrong and could not be repaired: it cannot run until they are.
    quarantined: bool = False
    #: What those can do who serve it.
    capabilities: tuple[str, ...] = ()
    #: Only other nodes of ours serve it, to whom requests are passed on.
    passed_on: bool = False
    #: Some of those are on other machines.
    leaves_machine: bool = False
    #: Tokens that fit at whoever of those takes most; ``context`` may be what it was trained for.
    served_context: int | None = None
    #: Requests that they work on at a time, together; ``None`` when one of them does not tell.
    slots: int | None = None
    #: Numbers in one embedding.
    dimension: int | None = None
    #: sha256 of the weights, and the hub's repository that they came from, where those agree and add nothing to them.
    digest: str | None = None
    repo: str | None = None


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model in the library."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """USD per million tokens, as price lists give it."""

    input: float
    output: float


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """One model at one backend, as people see it."""

    id: str
    backend: str
    upstream: str
    capabilities: tuple[str, ...]
    context: int | None
    price: TokenPrice | None
    residency: str
    local: bool
    #: What else is known of it; ``None`` is what nobody told.
    context_max: int | None = None
    quantization: str | None = None
    parameters: int | None = None
    family: str | None = None
    format: str | None = None
    #: Numbers in one embedding; requests at a time.
    dimension: int | None = None
    slots: int | None = None
    #: Bytes in memory, of these on graphics cards, and on the disk.
    memory: int | None = None
    vram: int | None = None
    size: int | None = None
    digest: str | None = None
    repo: str | None = None
    #: Seconds that loading took when it was last seen.
    load_s: float | None = None
    #: What a person should know: a context that is cut, weights that lie on the CPU.
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DiskUse:
    """What a model takes on the disk, each blob once."""

    bytes: int
    #: Of these, what other models need, too.
    shared_with_models: int
    #: Of these, what files outside the library are linked to: removing the model does not free it.
    linked_elsewhere: int
    #: What removing the model frees.
    freed_by_removal: int


@dataclass(frozen=True, slots=True)
class RevisionView:
    """One revision of a model that is here."""

    #: What its source calls it.
    revision: str
    #: What tells it apart here: `models rollback --to` takes either, or its beginning.
    key: str
    size: int
    #: When it came.
    created_at: datetime | None
    served: bool
    #: When another one took its place; ``None`` for the served one.
    served_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDetail(Model):
    """A model with its files and those who serve it."""

    files: tuple[ModelFile, ...] = ()
    served_by: tuple[DeploymentView, ...] = ()
    #: The served one first, then those that `models rollback` can go back to.
    revisions: tuple[RevisionView, ...] = ()
    #: What of it would execute code: one sentence each.
    code: tuple[str, ...] = ()
    disk: DiskUse | None = None
    #: ``None`` when the embedded llama.cpp does not serve it.
    memory: MemoryNeed | None = None
    #: The key that signed it; ``signature`` is what else there is to say about its signature.
    signed_by: str | None = None
    signature: str | None = None
    #: The same weights and the same model under other names.
    same: tuple[Twin, ...] = ()


@dataclass(frozen=True, slots=True)
class Removal:
    """What removing a model freed, or would free."""

    removed: str
    #: Blobs that another model shares stay and are not counted.
    bytes_freed: int
    dry_run: bool


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Some bytes of a file that follow each other."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One file, read to its last byte, or only looked at."""

    name: str
    size: int
    digest: str
    ok: bool
    #: The digest that was found; ``None`` when the file is gone, or was not read.
    actual: str | None
    #: What is wrong, in words that follow the file's name; ``None`` when nothing is.
    problem: str | None = None
    #: Where the wrong bytes are, as far as is known.
    damaged: tuple[ByteRange, ...] = ()


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a model's bytes are still the right ones."""

    model: str
    ok: bool
    files: tuple[FileCheck, ...]
    duration_ms: float
    #: Only size, header and time of change were looked at.
    quick: bool = False
    #: The key that signed it; ``signature`` is what else there is to say about its signature.
    signed_by: str | None = None
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class TransferView:
    """Bytes on their way in, with how fast they come."""

    id: str
    ref: str
    model: str | None
    state: str
    bytes_total: int | None
    bytes_done: int
    #: Bytes per second, lately; ``None`` when it is not moving.
    rate: float | None
    eta_s: float | None
    error: Mapping[str, object] | None
    created_at: datetime
    updated_at: datetime
    #: Bytes per second that it may take at most; ``None`` when only the common limit holds.
    bandwidth: int | None = None
    #: Among those that wait, the highest is next.
    priority: int = 0
    #: Bytes that are safe on the disk, hashed and journaled; never goes back.
    bytes_verified: int = 0
    #: Why it is not moving: a turn, a pause, a full disk, a source that failed; ``None`` when it moves or is over.
    waiting: str | None = None


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """How fast all downloads together may be."""

    #: Bytes per second; ``None`` is no limit.
    limit: int | None
    #: What the settings say, and the next start begins with.
    configured: int | None
    #: What may be taken at this hour, and the line of the schedule that says so.
    scheduled: int | None = None
    schedule: str | None = None
    #: What may be taken from each source that is limited.
    sources: Mapping[str, int] = field(default_factory=dict)
    #: Which of them holds for all downloads: ``limit`` or ``schedule``; ``None`` when nothing does.
    holds: str | None = None


@dataclass(frozen=True, slots=True)
class PullFile:
    """One file that a pull would fetch."""

    name: str
    size: int | None
    digest: str | None
    #: We hold these bytes already.
    present: bool


@dataclass(frozen=True, slots=True)
class PullPlan:
    """What a pull would do, without doing it."""

    model: str
    source: str
    revision: str
    license: str | None
    files: tuple[PullFile, ...]
    bytes_total: int | None
    bytes_needed: int | None
    disk_free: int
    #: Why this variant: whether it fits this machine's memory, as far as the source tells sizes.
    reason: str | None = None
    license_name: str | None = None
    license_url: str | None = None
    #: Who says so: ``hub``, ``registry``, ``folder`` or ``bundled``.
    license_source: str | None = None
    #: What is agreed to; the key of `licenses`.
    license_digest: str | None = None
    #: ``needed``: it has to be accepted before the pull can begin.
    license_state: LicenseState = "unknown"
    #: What of the source would execute code: one sentence each. None of it is run here.
    code: tuple[str, ...] = ()
    #: Bytes of the disk that downloads under way are promised, and that must stay free.
    disk_promised: int = 0
    disk_kept: int = 0
    #: Whether there is room for it beside all of those.
    disk_fits: bool = True
    #: Bytes of memory that it takes once loaded, estimated; ``None`` when the embedded runtime does not load it.
    memory_need: int | None = None
    #: Bytes that models may take on this machine.
    memory_limit: int | None = None
    memory_fits: bool | None = None
    #: Bytes per second that are counted on: the limit, else what comes at this moment; ``None`` when neither is known.
    rate: float | None = None
    rate_from: Literal["limit", "measured"] | None = None
    #: Seconds that it would take at that rate.
    duration_s: float | None = None
