"""A pull, from what somebody typed to a registered model. Knows nothing about HTTP, SQL or what runs the model.

`Pulls.run` is the body of a durable job: it may be killed anywhere and is then run again from its beginning. Every step
finds what the one before it left: the plan, the partial files, the blobs.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import uuid4

import structlog

from roundhouse.core.artifacts import Artifact, Plan, PlannedFile, Transfer, TransferState
from roundhouse.core.clock import Clock
from roundhouse.core.errors import ConflictError, DiskError, InternalError, OfflineError, RoundhouseError, SchemaError
from roundhouse.core.ports import Source, Transfers
from roundhouse.library import GgufHeader, Library
from roundhouse.transfers import Fetcher, FetchOptions, Landing, persist
from roundhouse.upkeep.plans import Plans
from roundhouse.upkeep.progress import OVER, LiveTransfer, Progress
from roundhouse.upkeep.references import checked_name, normal, origin, scheme_of

_log = structlog.get_logger("roundhouse.upkeep")

#: Sources that leave this machine.
REMOTE = frozenset({"hf", "https"})


@dataclass(frozen=True, slots=True)
class PullSettings:
    """What an administrator decides about pulls."""

    offline: bool = False
    #: Bytes that must stay free on the library's disk.
    min_free: int = 2 << 30
    fetch: FetchOptions = field(default_factory=FetchOptions)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a pull would do."""

    plan: Plan
    #: For each file of the plan, whether its blob is here.
    present: tuple[bool, ...]
    bytes_total: int
    bytes_needed: int
    disk_free: int


class Pulls:
    """The pulls of one library."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        library: Library,
        transfers: Transfers,
        clock: Clock,
        start_job: Callable[[str, str], Awaitable[None]],
        settings: PullSettings | None = None,
    ) -> None:
        self._sources, self._library, self._transfers, self._clock = sources, library, transfers, clock
        self._start_job = start_job
        self._settings = settings or PullSettings()
        self._plans = Plans(library.root / "plans")
        self._fetcher = Fetcher(Landing(library.partials, library.blobs.path_of, library.landed), self._settings.fetch)
        self._live: dict[str, LiveTransfer] = {}
        #: Given to jobs by this process, and not over. A row that looks active without being here is nobody's.
        self._under_way: set[str] = set()
        self._starting = asyncio.Lock()

    async def start(self, ref: str, model: str | None = None) -> Transfer:
        """Begin to pull *ref*, as *model* if given; a pull of the same that is under way is joined.

        Raises SchemaError, OfflineError.
        """
        ref, model = normal(ref), None if model is None else checked_name(model)
        self._source(ref)
        async with self._starting:
            for known in await self._transfers.list():
                if known.id in self._under_way and known.ref == ref and (model is None or known.model == model):
                    return (await self.progress(known.id)).transfer
            now = self._clock.now()
            transfer = Transfer(uuid4().hex, ref, TransferState.QUEUED, now, now, model)
            await self._transfers.put(transfer)
            self._under_way.add(transfer.id)
            await self._start_job(transfer.id, _argument(ref, model))
        return transfer

    async def recover(self) -> None:
        """Start the jobs of transfers whose process died before their job was known; the others join theirs."""
        for known in await self._transfers.list():
            if known.state not in OVER and known.id not in self._live:
                self._under_way.add(known.id)
                await self._start_job(known.id, _argument(known.ref, known.model))

    async def preview(self, ref: str, model: str | None = None) -> Preview:
        """What `start` would do, without doing it. Raises what resolving raises."""
        ref = normal(ref)
        plan = await persist(lambda: self._source(ref).resolve(ref), self._settings.fetch.patience)
        plan = replace(plan, model=plan.model if model is None else checked_name(model))
        return await asyncio.to_thread(self._preview, plan)

    def _preview(self, plan: Plan) -> Preview:
        missing = [self._missing(file) for file in plan.files]
        self._library.root.mkdir(parents=True, exist_ok=True)
        return Preview(
            plan=plan,
            present=tuple(file.digest is not None and self._library.blobs.has(file.digest) for file in plan.files),
            bytes_total=sum(file.size or 0 for file in plan.files),
            bytes_needed=sum(missing),
            disk_free=shutil.disk_usage(self._library.root).free,
        )

    def _missing(self, file: PlannedFile) -> int:
        """Bytes of *file* that still have to come."""
        if file.digest is None:
            return file.size or 0
        partial = self._library.partials / f"sha256-{file.digest}.part"
        here = self._library.blobs.size(file.digest) or (partial.stat().st_size if partial.exists() else 0)
        return max(0, (file.size or 0) - here)

    async def progress(self, transfer_id: str) -> Progress:
        """How a transfer stands. Raises NotFoundError."""
        live = self._live.get(transfer_id)
        return live.progress() if live is not None else Progress(await self._transfers.get(transfer_id))

    async def list(self, *, limit: int = 100) -> Sequence[Progress]:
        """All transfers, newest first."""
        known = await self._transfers.list(limit=limit)
        return [self._live[each.id].progress() if each.id in self._live else Progress(each) for each in known]

    async def run(self, job_id: str, argument: str) -> None:
        """Do the job: the `JobBody`. What fails is in the transfer; cancelling leaves it to be run again."""
        transfer = await self._transfers.get(job_id)
        if transfer.state in OVER:
            return
        wish = json.loads(argument)
        async with self._lively(transfer) as live:
            try:
                await self._pull(live, wish["ref"], wish["model"])
            except RoundhouseError as error:
                _log.warning("pull failed", transfer=job_id, code=error.code, reason=error.message)
                await live.fail(error)
            except Exception:  # noqa: BLE001 (the job boundary: whatever it is, the user learns that it is over)
                _log.exception("pull failed", transfer=job_id)
                await live.fail(InternalError("the pull failed in a way that nobody foresaw"))
            await asyncio.to_thread(self._plans.remove, job_id)

    @asynccontextmanager
    async def _lively(self, transfer: Transfer) -> AsyncIterator[LiveTransfer]:
        live = self._live[transfer.id] = LiveTransfer(transfer, self._transfers, self._clock)
        try:
            yield live
        finally:
            del self._live[transfer.id]
            self._under_way.discard(transfer.id)

    async def _pull(self, live: LiveTransfer, ref: str, model: str | None) -> None:
        await live.enter(TransferState.RESOLVING)
        plan = await self._plan(live.id, ref, model)
        await self._check_name(plan)
        with self._library.leased([file.digest for file in plan.files if file.digest is not None]):
            total = sum(file.size or 0 for file in plan.files)
            await live.enter(TransferState.DOWNLOADING, model=plan.model, total=total or None)
            await self._check_disk(live, plan)
            artifact = await self._fetch_and_register(live, plan, named=model is not None)
        await live.enter(TransferState.DONE, model=artifact.model, total=artifact.size)

    async def _plan(self, transfer_id: str, ref: str, model: str | None) -> Plan:
        """The plan that was made when this pull began, or a new one, kept before a byte is fetched."""
        kept = await asyncio.to_thread(self._plans.get, transfer_id)
        if kept is not None:
            return kept
        source = self._source(ref)
        plan = await persist(lambda: source.resolve(ref), self._settings.fetch.patience)
        plan = replace(plan, model=model or checked_name(plan.model))
        await asyncio.to_thread(self._plans.put, transfer_id, plan)
        return plan

    async def _fetch_and_register(self, live: LiveTransfer, plan: Plan, *, named: bool) -> Artifact:
        source = self._source(plan.ref)
        files = []
        writing = asyncio.create_task(live.keep_written())
        try:
            for planned in plan.files:
                files.append(await self._fetcher.fetch(planned, source, live))
                live.file_done(files[-1].size)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        await live.enter(TransferState.REGISTERING)
        return await self._library.add_from_transfer(plan, files, _final_name(plan, named=named))

    def _source(self, ref: str) -> Source:
        scheme = scheme_of(ref)
        if self._settings.offline and scheme in REMOTE:
            message = f"{ref.partition('?')[0]} needs the network, and Roundhouse is offline"
            raise OfflineError(message, hint="pull from a folder, or start without --offline")
        if scheme not in self._sources:
            message = f"references to {scheme}: are not known here"
            raise SchemaError(message)
        return self._sources[scheme]

    async def _check_name(self, plan: Plan) -> None:
        """Refuse to put a model in the place of another one. Raises ConflictError."""
        for known in await self._library.list():
            if known.model == plan.model and origin(known.ref) != origin(plan.ref):
                message = f"a model called {plan.model} is here already, from {known.ref}"
                raise ConflictError(message, hint="choose another name with --name, or remove that one first")

    async def _check_disk(self, live: LiveTransfer, plan: Plan) -> None:
        """Refuse what would fill the disk, counting what other pulls still need. Raises DiskError."""
        preview = await asyncio.to_thread(self._preview, plan)
        others = sum(other.left for other in self._live.values() if other.id != live.id)
        reserve = max(self._settings.min_free, preview.bytes_needed // 20)
        lacking = preview.bytes_needed + others + reserve - preview.disk_free
        if preview.bytes_needed and lacking > 0:
            message = (
                f"{preview.bytes_needed:,} bytes are needed, {preview.disk_free:,} are free, {reserve:,} must stay free"
            )
            hint = f"free {lacking:,} bytes, or lower library.min_free"
            raise DiskError(message, hint=hint, details={"needed": preview.bytes_needed, "free": preview.disk_free})


def _argument(ref: str, model: str | None) -> str:
    return json.dumps({"ref": ref, "model": model})


def _final_name(plan: Plan, *, named: bool) -> Callable[[GgufHeader], str] | None:
    """A hub's model is told apart by its quantisation; where no file name told it, the header does."""
    if named or plan.source != "hf" or ":" in plan.model:
        return None
    return lambda header: f"{plan.model}:{header.quantization}" if header.quantization else plan.model
