"""A pull, from what somebody typed to a registered model. Knows nothing about HTTP, SQL or what runs the model.

`Pulls.run` is the body of a durable job: it may be killed anywhere and is then run again from its beginning. Every step
finds what the one before it left: the plan, the partial files, the blobs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import uuid4

import structlog

from roundhouse.core.artifacts import Artifact, ArtifactFile, Plan, PlannedFile, Transfer, TransferState
from roundhouse.core.clock import Clock
from roundhouse.core.desks.schedule import Window
from roundhouse.core.errors import (
    ConflictError,
    DiskError,
    InternalError,
    OfflineError,
    RoundhouseError,
    SchemaError,
)
from roundhouse.core.ports import Source, Transfers
from roundhouse.library import Facts, Library
from roundhouse.library.formats import GGUF
from roundhouse.transfers import Fetcher, FetchOptions, Landing, Limits, persist, settled
from roundhouse.upkeep.admission import Gate, OpenGate, look_ahead
from roundhouse.upkeep.origin import Supply
from roundhouse.upkeep.plans import Plans
from roundhouse.upkeep.progress import FileProgress, LiveTransfer, Progress
from roundhouse.upkeep.queue import Queue
from roundhouse.upkeep.references import checked_name, normal, origin, scheme_of
from roundhouse.upkeep.space import Preview, Space
from roundhouse.upkeep.steering import Steering, is_news, refuse_when_over

_log = structlog.get_logger("roundhouse.upkeep")

#: Sources that tell under which terms a model comes.
_TELL_TERMS = frozenset({"hf", "ollama", "file"})
_ALL = 1_000_000
#: Sources that leave this machine.
REMOTE = frozenset({"hf", "ollama", "https"})


@dataclass(frozen=True, slots=True)
class PullSettings:
    """What an administrator decides about pulls."""

    offline: bool = False
    #: Bytes that must stay free on the library's disk.
    min_free: int = 2 << 30
    #: Bytes per second that all pulls together may take; ``None`` is as fast as it comes.
    bandwidth: int | None = None
    #: What all pulls from one source may take, and what all may take by the hour.
    bandwidth_per_source: tuple[tuple[str, int | None], ...] = ()
    schedule: tuple[Window, ...] = ()
    #: Pulls over the network that work at a time, and files of one pull that come at a time.
    max_concurrent: int = 3
    files_at_once: int = 3
    #: Seconds between two looks whether a full disk has room again.
    room_look_s: float = 20.0
    #: Seconds that a source may take to tell what a pull would be, before it is begun without knowing.
    look_s: float = 10.0
    fetch: FetchOptions = field(default_factory=FetchOptions)


class Pulls:
    """The pulls of one library."""

    def __init__(  # noqa: PLR0913, PLR0917 (one place introduces them)
        self,
        sources: Mapping[str, Source],
        library: Library,
        transfers: Transfers,
        clock: Clock,
        start_job: Callable[[str, str], Awaitable[None]],
        settings: PullSettings | None = None,
        gate: Gate | None = None,
    ) -> None:
        self._sources, self._library, self._transfers, self._clock = sources, library, transfers, clock
        self._start_job = start_job
        self._settings = settings or PullSettings()
        self._gate = gate or OpenGate()
        self._plans = Plans(library.root / "plans")
        self._space = Space(library, self._settings.min_free)
        self._fetcher = Fetcher(Landing(library.partials, library.blobs.path_of, library.landed), self._settings.fetch)
        #: What pulls may take; each of it can be changed at any moment.
        self.limits = Limits(
            clock, self._settings.bandwidth, self._settings.bandwidth_per_source, self._settings.schedule
        )
        self._queue = Queue(self._settings.max_concurrent)
        self._live: dict[str, LiveTransfer] = {}
        self._wheels: dict[str, Steering] = {}
        #: A row and its live transfer change hands under this.
        self._entering = asyncio.Lock()
        #: Given to jobs by this process, and not over. A row that looks active without being here is nobody's.
        self._under_way: set[str] = set()
        self._starting = asyncio.Lock()

    def supply(self) -> Supply:
        """What it takes to fetch again what is here already, under the same limit."""
        return Supply(self._source, self._fetcher, self.limits.of, self._settings.fetch)

    async def start(self, ref: str, model: str | None = None, *, by: str | None = None) -> Transfer:
        """Begin to pull *ref*, as *model* if given; one that is under way is joined, a paused one resumed.

        Raises SchemaError, OfflineError; PolicyError and LicenseError when it may not come in *by* that person's wish.
        """
        ref, model = normal(ref), None if model is None else checked_name(model)
        self._source(ref)
        async with self._starting:
            joined = await self._join(ref, model)
        if joined is not None:
            return joined
        plan = await self._look_ahead(ref, model, by)
        async with self._starting:
            return await self._join(ref, model) or await self._begin(ref, model, by, plan)

    async def _join(self, ref: str, model: str | None) -> Transfer | None:
        # As they are, which their rows say a moment later: one that has just ended is not joined.
        for known in [each.transfer for each in await self.list()]:
            if known.id in self._under_way and _fits(known, ref, model):
                joined = self.resume if known.state is TransferState.PAUSED else self.progress
                return (await joined(known.id)).transfer
        return None

    async def _begin(self, ref: str, model: str | None, by: str | None, plan: Plan | None) -> Transfer:
        now = self._clock.now()
        transfer = Transfer(uuid4().hex, ref, TransferState.QUEUED, now, now, model, principal=by)
        if plan is not None:
            await settled(asyncio.to_thread(self._plans.put, transfer.id, plan))
        await self._transfers.put(transfer)
        self._under_way.add(transfer.id)
        await self._start_job(transfer.id, _argument(ref, model))
        return transfer

    async def _look_ahead(self, ref: str, model: str | None, by: str | None) -> Plan | None:
        """The plan, if its source is quick to tell under which terms it comes. Raises what the gate raises."""
        self._gate.check_owner(ref)
        if scheme_of(ref) not in _TELL_TERMS:
            return None
        plan = await look_ahead(self._resolve(ref, model), self._settings.look_s)
        if plan is not None:
            self._gate.check(plan, by)
        return plan

    async def _resolve(self, ref: str, model: str | None) -> Plan:
        source = self._source(ref)
        plan = await self._gate.read(await source.resolve(ref), source)
        return replace(plan, model=model or checked_name(plan.model))

    async def recover(self) -> None:
        """Start the jobs of transfers whose process died before their job was known; the others join theirs."""
        listed = await self._transfers.list(limit=_ALL)
        waiting = [known for known in listed if not known.state.over]
        self._under_way.update(known.id for known in waiting)
        # The job of one that was cancelled may still have to run: by its plan it finds what is to be removed.
        cancelled = {known.id for known in listed if known.state is TransferState.CANCELLED}
        await asyncio.to_thread(self._plans.keep_only, self._under_way | cancelled)
        for known in waiting:
            if known.id not in self._live:
                await self._start_job(known.id, _argument(known.ref, known.model))

    async def preview(self, ref: str, model: str | None = None, *, by: str | None = None) -> Preview:
        """What `start` would do, without doing it. Raises what resolving raises, and PolicyError."""
        ref, model = normal(ref), None if model is None else checked_name(model)
        self._gate.check_owner(ref)
        plan = await persist(lambda: self._resolve(ref, model), self._settings.fetch.patience)
        state = self._gate.state(plan, by)
        if state == "refused":
            self._gate.check(plan, by)
        others = sum(live.left for live in self._live.values() if live.progress().transfer.ref != ref)
        return replace(await asyncio.to_thread(self._space.preview, plan, others), license_state=state)

    async def progress(self, transfer_id: str) -> Progress:
        """How a transfer stands. Raises NotFoundError."""
        live = self._live.get(transfer_id)
        return live.progress() if live is not None else Progress(await self._transfers.get(transfer_id))

    def moving(self) -> Sequence[Progress]:
        """Those whose jobs run in this process, without asking the database."""
        return [live.progress() for live in self._live.values()]

    async def list(self, *, limit: int = 100) -> Sequence[Progress]:
        """All transfers, newest first."""
        known = await self._transfers.list(limit=limit)
        return [self._live[each.id].progress() if each.id in self._live else Progress(each) for each in known]

    async def pause(self, transfer_id: str) -> Progress:
        """Let a transfer wait, also across restarts, until it is resumed. Raises NotFoundError, ConflictError."""
        return await self._steer(transfer_id, TransferState.PAUSED)

    async def resume(self, transfer_id: str) -> Progress:
        """Let a paused transfer go on where it stopped. Raises NotFoundError, ConflictError."""
        return await self._steer(transfer_id, TransferState.QUEUED)

    async def cancel(self, transfer_id: str) -> Progress:
        """End a transfer and keep nothing of it. Raises NotFoundError, ConflictError."""
        return await self._steer(transfer_id, TransferState.CANCELLED)

    async def forget(self, transfer_id: str) -> Progress:
        """Take a transfer that is over from the list; how it stood. Raises NotFoundError, ConflictError."""
        async with self._entering:
            known = await self.progress(transfer_id)
            if not known.transfer.state.over or transfer_id in self._live:
                message = "that download is not over"
                raise ConflictError(message, hint=f"end it with `roundhouse downloads cancel {transfer_id}`")
            await self._transfers.remove(transfer_id)
            return known

    async def limit(self, transfer_id: str, bandwidth: int | None) -> Progress:
        """Let a transfer take so many bytes per second at most, from now on. Raises NotFoundError, ConflictError."""
        return await self._adjust(transfer_id, lambda transfer: replace(transfer, bandwidth=bandwidth))

    async def prioritize(self, transfer_id: str, priority: int) -> Progress:
        """Let a transfer be sooner or later than others that wait. Raises NotFoundError, ConflictError."""
        return await self._adjust(transfer_id, lambda transfer: replace(transfer, priority=priority))

    async def _adjust(self, transfer_id: str, change: Callable[[Transfer], Transfer]) -> Progress:
        async with self._entering:
            known = (await self.progress(transfer_id)).transfer
            refuse_when_over(known)
            live = self._live.get(transfer_id)
            if live is not None:
                await live.adjust(change)
            else:
                await self._transfers.put(replace(change(known), updated_at=self._clock.now()))
        return await self.progress(transfer_id)

    async def _steer(self, transfer_id: str, wanted: TransferState) -> Progress:
        async with self._entering:
            known = (await self.progress(transfer_id)).transfer
            if is_news(known, wanted):
                wheel = self._wheels.get(transfer_id)
                if wheel is not None:
                    await wheel.tell(wanted)
                else:  # its job has not begun, and will read this
                    await self._transfers.put(replace(known, state=wanted, error=None, updated_at=self._clock.now()))
        return await self.progress(transfer_id)

    async def run(self, job_id: str, argument: str) -> None:
        """Do the job: the `JobBody`. What fails is in the transfer; cancelling leaves it to be run again."""
        async with self._lively(job_id) as live:
            if live.state.over and live.state is not TransferState.CANCELLED:
                return
            wish = json.loads(argument)
            try:
                await self._wheels[job_id].drive(lambda: self._take_turn(live, wish["ref"], wish["model"]))
            except RoundhouseError as error:
                _log.warning("pull failed", transfer=job_id, code=error.code, reason=error.message)
                await live.fail(error)
            except Exception:  # noqa: BLE001 (the job boundary: whatever it is, the user learns that it is over)
                _log.exception("pull failed", transfer=job_id)
                await live.fail(InternalError("the pull failed in a way that nobody foresaw"))
            if live.state is TransferState.CANCELLED:
                await self._sweep(job_id)
            await asyncio.to_thread(self._plans.remove, job_id)

    @asynccontextmanager
    async def _lively(self, transfer_id: str) -> AsyncIterator[LiveTransfer]:
        async with self._entering:
            transfer = await self._transfers.get(transfer_id)
            live = self._live[transfer_id] = LiveTransfer(transfer, self._transfers, self._clock)
            self._wheels[transfer_id] = Steering(live, lambda: self._has_room(live), self._settings.room_look_s)
        try:
            yield live
        finally:
            del self._live[transfer_id], self._wheels[transfer_id]
            self._under_way.discard(transfer_id)

    async def _sweep(self, transfer_id: str) -> None:
        """Remove what a cancelled transfer has left on the disk, as far as no other one needs it."""
        plan = await asyncio.to_thread(self._plans.get, transfer_id)
        if plan is not None:
            for file in plan.files:
                await self._fetcher.forget(file, plan.source)
            await self._library.sweep([file.digest for file in plan.files if file.digest is not None])

    async def _take_turn(self, live: LiveTransfer, ref: str, model: str | None) -> None:
        """Pull when there is a place; what is on this machine needs none."""
        live.begin()
        if scheme_of(ref) not in REMOTE:
            return await self._pull(live, ref, model)
        if live.state is not TransferState.QUEUED:
            await live.enter(TransferState.QUEUED)
        async with self._queue.place(live):
            return await self._pull(live, ref, model)

    async def _pull(self, live: LiveTransfer, ref: str, model: str | None) -> None:
        await live.enter(TransferState.RESOLVING)
        plan = await self._plan(live.id, ref, model)
        self._gate.check(plan, live.principal)
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
        self._gate.check_owner(ref)
        plan = await persist(lambda: self._resolve(ref, model), self._settings.fetch.patience)
        await settled(asyncio.to_thread(self._plans.put, transfer_id, plan))
        return plan

    async def _fetch_and_register(self, live: LiveTransfer, plan: Plan, *, named: bool) -> Artifact:
        writing = asyncio.create_task(live.keep_written())
        try:
            files = await self._fetch(live, plan)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        await live.enter(TransferState.REGISTERING)
        return await self._library.add_from_transfer(plan, files, _final_name(plan, named=named))

    async def _fetch(self, live: LiveTransfer, plan: Plan) -> Sequence[ArtifactFile]:
        """Bring all files, several at a time. Raises the first error; the others are stopped then."""
        source, places = self._source(plan.ref), asyncio.Semaphore(self._settings.files_at_once)
        throttle = self.limits.of(plan.source, live.bandwidth) if plan.source in REMOTE else None

        async def bring(file: PlannedFile, watch: FileProgress) -> ArtifactFile:
            async with places:
                brought = await self._fetcher.fetch(file, source, watch, throttle)
                watch.advanced(brought.size, brought.size)
                return brought

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(bring(file, live.watch())) for file in plan.files]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

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

    async def _has_room(self, live: LiveTransfer) -> bool:
        """Whether what *live* still needs fits on the disk now."""
        plan = await asyncio.to_thread(self._plans.get, live.id)
        try:
            if plan is not None:
                await self._check_disk(live, plan)
        except DiskError:
            return False
        return True

    async def _check_disk(self, live: LiveTransfer, plan: Plan) -> None:
        """Refuse what would fill the disk, counting what other pulls still need. Raises DiskError."""
        others = sum(other.left for other in self._live.values() if other.id != live.id)
        await asyncio.to_thread(self._space.check, plan, others, waits=live.begun)


def _fits(known: Transfer, ref: str, model: str | None) -> bool:
    """Whether *known* brings what is asked for."""
    return not known.state.over and known.ref == ref and (model is None or known.model == model)


def _argument(ref: str, model: str | None) -> str:
    return json.dumps({"ref": ref, "model": model})


def _final_name(plan: Plan, *, named: bool) -> Callable[[Facts], str] | None:
    """A hub's GGUF model is told apart by its quantisation; where no file name told it, the header does."""
    if named or plan.source != "hf" or ":" in plan.model:
        return None
    return lambda facts: (
        f"{plan.model}:{facts.quantization}" if facts.format == GGUF and facts.quantization else plan.model
    )
