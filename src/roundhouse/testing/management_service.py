"""A `Management` that lives in memory: for tests of the API, of the pages, and of whatever else asks a Roundhouse.

Knows nothing about HTTP. It does what the real one promises: what was removed is gone, an unknown name is
NotFoundError, the same pull is joined.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime

from roundhouse.core.artifacts import TransferState
from roundhouse.core.desks.browse import Browsing, Offer, Query
from roundhouse.core.desks.routes import Explanation, ProfileView, RouteQuestion
from roundhouse.core.desks.trial import BackendTest, Trial
from roundhouse.core.errors import ConflictError, NotFoundError, OfflineError, SchemaError
from roundhouse.core.events import ArtifactRemoved, ArtifactVerified, TransferChanged
from roundhouse.core.ledger import UsageRecord, UsageSummary
from roundhouse.core.views import (
    BackendStatus,
    Bandwidth,
    Check,
    Dimension,
    FileCheck,
    Found,
    Model,
    ModelDetail,
    ModelFile,
    NextStep,
    PullFile,
    PullPlan,
    Removal,
    Status,
    TransferView,
    Verification,
)
from roundhouse.testing.desks.builders import NOON, a_backend, a_model, a_request, a_route, a_transfer, an_offer
from roundhouse.testing.desks.exchange import ExchangeInMemory
from roundhouse.testing.desks.figures import InMemoryFigures
from roundhouse.testing.desks.finished import InMemoryList
from roundhouse.testing.desks.keeping import InMemoryKeeping
from roundhouse.testing.desks.licenses import InMemoryLicenses
from roundhouse.testing.desks.migrations import InMemoryMigrations
from roundhouse.testing.desks.repair import ROT, InMemoryRepairs
from roundhouse.testing.desks.revisions import InMemoryRevisions
from roundhouse.testing.desks.roster import InMemoryRoster
from roundhouse.testing.desks.stores import InMemoryStores

__all__ = ["NOON", "InMemoryManagement", "a_backend", "a_model", "a_request", "a_route", "a_transfer", "an_offer"]

_RUNNING = frozenset({"queued", "resolving", "downloading", "registering"})


@dataclass
class InMemoryManagement(
    InMemoryRepairs,
    InMemoryRevisions,
    InMemoryRoster,
    InMemoryStores,
    ExchangeInMemory,
    InMemoryLicenses,
    InMemoryMigrations,
    InMemoryKeeping,
    InMemoryFigures,
    InMemoryList,
):
    """A Roundhouse made of lists; change them as a test needs."""

    catalog: list[ModelDetail] = field(default_factory=list)
    runtimes: list[BackendStatus] = field(default_factory=lambda: [a_backend()])
    discovered: list[Found] = field(default_factory=list)
    records: list[UsageRecord] = field(default_factory=list)
    remembered: dict[str, Explanation] = field(default_factory=dict)
    database: str = "sqlite"
    offers: list[Offer] = field(default_factory=list)
    offline: bool = False
    limit: int | None = None
    source_limits: dict[str, int] = field(default_factory=dict)

    async def status(self) -> Status:
        """Tell the state at a glance."""
        step = NextStep("Pull a real model", "roundhouse pull hf:Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M")
        if any(model.local for model in self.catalog):
            step = NextStep("Talk to it", f'roundhouse chat {self.catalog[0].name} "hello"')
        return Status(
            version="0.1.0",
            url="http://127.0.0.1:8484",
            home="/home/ada/.local/share/roundhouse",
            started_at=NOON,
            database="postgresql" if self.database == "postgresql" else "sqlite",
            backends=tuple(self.runtimes),
            found=tuple(self.discovered),
            models=len(self.catalog),
            next=step,
        )

    async def checks(self) -> Sequence[Check]:
        """Answer one question well and one badly."""
        return (
            Check("home is writable", "ok", "/home/ada/.local/share/roundhouse"),
            Check("free space", "warn", "1.2 GiB left", fix="make room, or set library.path to a larger disk"),
        )

    async def models(self) -> Sequence[Model]:
        """List all models without their details."""
        names = [item.name for item in fields(Model)]
        ordered = sorted(self.catalog, key=lambda model: model.name)
        return [Model(**{name: getattr(model, name) for name in names}) for model in ordered]

    async def model(self, name: str) -> ModelDetail:
        """Show one. Raises NotFoundError."""
        for model in self.catalog:
            if model.name == name:
                return model
        message = f"there is no model {name!r}"
        raise NotFoundError(message, hint="list them with `roundhouse models ls`")

    async def remove_model(self, name: str, *, dry_run: bool) -> Removal:
        """Take one out. Raises NotFoundError, ConflictError."""
        model = await self.model(name)
        if not model.local:
            message = f"{name} is not in the library: it belongs to {model.deployments[0].partition('/')[0]}"
            raise ConflictError(message)
        if not dry_run:
            self.catalog.remove(model)
            self.feed.publish(ArtifactRemoved(name))
        return Removal(removed=name, bytes_freed=model.size or 0, dry_run=dry_run)

    async def verify_model(self, name: str, *, quick: bool = False) -> Verification:
        """Find all bytes right, unless the model is rotten. Raises NotFoundError."""
        model = await self.model(name)
        ok = name not in self.rotten
        checked = tuple(_right(file, quick=quick) if ok else _wrong(file) for file in model.files)
        self.feed.publish(ArtifactVerified(name, ok, quick))
        return Verification(model=name, ok=ok, files=checked, duration_ms=12.5, quick=quick)

    async def browse(self, query: Query) -> Browsing:
        """Find those of the offers whose name holds the text and the owner. Raises OfflineError."""
        if self.offline:
            message = "browsing needs the network, and Roundhouse is offline"
            raise OfflineError(message, hint="see what is here with `roundhouse models ls`")
        owner = f"{query.owner}/" if query.owner else ""
        found = [each for each in self.offers if (query.text or "") in each.name and each.name.startswith(owner)]
        return Browsing("https://hub.example.com", 12 << 30, tuple(found[: query.limit]))

    async def plan_pull(self, ref: str, name: str | None, *, by: str | None = None) -> PullPlan:  # noqa: ARG002
        """Plan one file. Raises SchemaError."""
        model = name or _model_of(ref)
        file = PullFile("model.gguf", 100_000_000, "ab" * 32, present=False)
        plan = PullPlan(model, "hf", "0f3c2a9d", "apache-2.0", (file,), file.size, file.size, 50_000_000_000)
        return replace(plan, reason="Q4_K_M is the best that fits", memory_need=150 << 20, memory_limit=12 << 30)

    async def start_pull(self, ref: str, name: str | None, *, by: str | None = None) -> TransferView:  # noqa: ARG002
        """Start, or join. Raises SchemaError, LicenseError."""
        model = name or _model_of(ref)
        self.refuse_unaccepted(ref)
        for known in self.pulls:
            if known.ref == ref and not TransferState(known.state).over:
                return self._steer(known.id, "queued")
        started = replace(a_transfer(ref, state="queued", done=0), id=f"t-{len(self.pulls) + 1}", model=model)
        self.pulls.insert(0, started)
        self.feed.publish(TransferChanged(started))
        return started

    async def transfers(self) -> Sequence[TransferView]:
        """List them, newest first."""
        return tuple(self.pulls)

    async def transfer(self, transfer_id: str) -> TransferView:
        """Show one. Raises NotFoundError."""
        return self.pulls[self._position(transfer_id)]

    async def pause_transfer(self, transfer_id: str) -> TransferView:
        """Let one wait. Raises NotFoundError, ConflictError."""
        return self._steer(transfer_id, "paused")

    async def resume_transfer(self, transfer_id: str) -> TransferView:
        """Let one go on. Raises NotFoundError, ConflictError."""
        return self._steer(transfer_id, "queued")

    async def cancel_transfer(self, transfer_id: str) -> TransferView:
        """End one. Raises NotFoundError, ConflictError."""
        return self._steer(transfer_id, "cancelled")

    async def limit_transfer(self, transfer_id: str, bandwidth: int | None) -> TransferView:
        """Limit one. Raises NotFoundError, ConflictError."""
        return self._adjust(replace(self._changeable(transfer_id), bandwidth=bandwidth))

    async def prioritize_transfer(self, transfer_id: str, priority: int) -> TransferView:
        """Let one be sooner or later. Raises NotFoundError, ConflictError."""
        return self._adjust(replace(self._changeable(transfer_id), priority=priority))

    async def bandwidth(self) -> Bandwidth:
        """Tell how fast all of them together may be."""
        limited = {name: rate for name, rate in self.source_limits.items() if rate}
        return Bandwidth(self.limit, None, sources=limited, holds="limit" if self.limit else None)

    async def limit_transfers(self, bandwidth: int | None, source: str | None = None) -> Bandwidth:
        """Limit all of them together, or all from one source."""
        self.source_limits |= {} if source is None else {source: bandwidth or 0}
        self.limit = bandwidth if source is None else self.limit
        return await self.bandwidth()

    def _steer(self, transfer_id: str, wanted: str) -> TransferView:
        known = self.pulls[self._position(transfer_id)]
        if known.state == wanted or (wanted == "queued" and known.state in _RUNNING):
            return known
        return self._adjust(replace(self._changeable(transfer_id), state=wanted, rate=None, eta_s=None, error=None))

    def _changeable(self, transfer_id: str) -> TransferView:
        known = self.pulls[self._position(transfer_id)]
        _refuse_when_over(known)
        return known

    def _adjust(self, changed: TransferView) -> TransferView:
        self.pulls[self._position(changed.id)] = changed
        self.feed.publish(TransferChanged(changed))
        return changed

    async def backends(self) -> Sequence[BackendStatus]:
        """List them with their health."""
        return tuple(self.runtimes)

    async def test_backend(self, name: str, trial: Trial) -> BackendTest:
        """Try one; whatever it is asked, it says hi. Raises NotFoundError."""
        for known in self.runtimes:
            if known.name == name:
                served = tuple(id_ for model in self.catalog for id_ in model.deployments if id_.startswith(f"{name}/"))
                found = BackendTest(name, known.ok, known.detail, known.latency_ms, served)
                if not trial.prompt:
                    return found
                said = replace(
                    found, reply="hi", verdict="wrong", first_token_ms=40.0, tokens_per_s=25.0, usual=50.0, pace=0.5
                )
                return replace(said, model=trial.model or "tiny", baseline=trial.baseline)
        message = f"there is no backend {name!r}"
        raise NotFoundError(message, hint="list them with `roundhouse backends ls`")

    async def explain(self, question: RouteQuestion) -> Explanation:
        """Choose the first deployment of the model; an unknown model is in the answer's error."""
        needs = (question.operation.value,)
        profile = ProfileView(question.model, question.operation.value, needs, question.size // 4, None)
        for model in self.catalog:
            if question.model in {"auto", model.name, *model.deployments}:
                return replace(a_route("r-explained", chosen=model.deployments[0]), profile=profile)
        error = NotFoundError(f"there is no model {question.model!r}").to_dict()
        return Explanation("r-explained", profile, None, (), (), error)

    async def routes(self, ids: Sequence[str]) -> Mapping[str, Explanation]:
        """Recall what was remembered."""
        return {id_: self.remembered[id_] for id_ in ids if id_ in self.remembered}

    async def usage(self, by: Dimension, since: datetime | None) -> Sequence[UsageSummary]:
        """Add up, busiest first."""
        sums: dict[str, UsageSummary] = {}
        for record in self.records:
            if since is None or record.at >= since:
                key = record.at.date().isoformat() if by == "day" else getattr(record, by) or "none"
                sums[key] = _plus(sums.get(key, UsageSummary(key, 0, 0, 0, 0, 0.0)), record)
        return sorted(sums.values(), key=lambda row: (-row.requests, row.key))

    async def requests(self, limit: int) -> Sequence[UsageRecord]:
        """List the latest, newest first."""
        return sorted(self.records, key=lambda record: record.at, reverse=True)[:limit]


def _refuse_when_over(known: TransferView) -> None:
    if TransferState(known.state).over or known.state == "registering":
        message = "too late to change that download"
        raise ConflictError(message, hint=f"begin again with `roundhouse pull {known.ref}`")


def _right(file: ModelFile, *, quick: bool) -> FileCheck:
    return FileCheck(file.name, file.size, file.digest, ok=True, actual=None if quick else file.digest)


def _wrong(file: ModelFile) -> FileCheck:
    """Build a file whose second chunk has rotted."""
    problem = f"has sha256 {'00' * 8}…, should be {file.digest[:16]}…"
    return FileCheck(file.name, file.size, file.digest, False, "00" * 32, problem, (ROT,))  # noqa: FBT003 - its field


def _model_of(ref: str) -> str:
    scheme, colon, rest = ref.partition(":")
    if not colon or scheme not in {"hf", "ollama", "https", "file"}:
        message = f"not a reference: {ref[:80]!r}"
        raise SchemaError(message, hint="write hf:owner/repo, ollama:name:tag, https://…#sha256=…, or a path")
    return rest.strip("/")


def _plus(row: UsageSummary, record: UsageRecord) -> UsageSummary:
    return UsageSummary(
        key=row.key,
        requests=row.requests + 1,
        errors=row.errors + (record.outcome != "ok"),
        prompt_tokens=row.prompt_tokens + record.prompt_tokens,
        completion_tokens=row.completion_tokens + record.completion_tokens,
        cost_usd=row.cost_usd + (record.cost_usd or 0.0),
    )
