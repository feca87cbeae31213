"""All migrations of one library: planned, carried out one at a time, taken back, and gone on with after a kill.

Knows nothing about HTTP or about any store's layout.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import structlog

from roundhouse.core.artifacts import Artifact, Digest
from roundhouse.core.clock import Clock
from roundhouse.core.errors import (
    AbortedError,
    ConflictError,
    DiskError,
    NotFoundError,
    RoundhouseError,
)
from roundhouse.migration.adopting import Hall, adopt
from roundhouse.migration.found import FoundFile, Inventory, Kind
from roundhouse.migration.journal import Adopted, Adopting, Failed, Header, Journal, Journals, Marked
from roundhouse.migration.leaving import leave
from roundhouse.migration.placing import Paving, read_whole
from roundhouse.migration.planning import Ground, MigrationPlan, Mode, Step, Wish, make_plan
from roundhouse.migration.stores import Surroundings, look, usual_places
from roundhouse.migration.undoing import restore_store, undo
from roundhouse.transfers import settled

_log = structlog.get_logger("roundhouse.migration")

APPLYING, APPLIED, UNDOING, UNDONE = "applying", "applied", "undoing", "undone"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A migration as it stands."""

    plan: MigrationPlan
    #: ``None`` when there was nothing to do, and so nothing to remember.
    id: str | None
    state: str
    created_at: datetime
    adopted: tuple[str, ...] = ()
    #: Errors by model.
    failed: tuple[tuple[str, dict[str, object]], ...] = ()
    bytes_done: int = 0
    #: What could not be put back, in words.
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a migration must leave."""

    #: Bytes that stay free on the library's disk.
    min_free: int = 0


class Migrations:
    """The migrations of one library."""

    def __init__(
        self, hall: Hall, around: Surroundings, clock: Clock, new_id: Callable[[], str], limits: Limits
    ) -> None:
        self._hall, self._around, self._clock = hall, around, clock
        self._new_id, self._limits = new_id, limits
        self._journals = Journals(hall.library.root / "migrations")
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._running: str | None = None
        self._bytes_done = 0
        self._stopping = threading.Event()
        #: Called when models have come or gone.
        self.changed: Callable[[], Awaitable[None]] = _nothing

    async def stores(self) -> Sequence[MigrationPlan]:
        """What is found at the usual places, and what adopting it would do."""
        found = []
        for place in usual_places(self._around):
            if await asyncio.to_thread(place.path.is_dir):
                with suppress(RoundhouseError):  # a place that cannot be read is none of ours
                    found.append(await self.plan(str(place.path), place.kind, Wish()))
        return [plan for plan in found if plan.steps or plan.unchanged or plan.conflicts or plan.problems]

    async def plan(self, source: str, kind: Kind | None, wish: Wish) -> MigrationPlan:
        """What adopting *source* would do: a path, or the name of a kind.

        Raises NotFoundError, ForbiddenError, SchemaError.
        """
        artifacts = await self._hall.library.list()
        return await asyncio.to_thread(self._plan, self._place(source, kind), wish, artifacts)

    def _place(self, source: str, kind: Kind | None) -> tuple[Path, Kind | None]:
        if source in set(Kind):
            usual = [place for place in usual_places(self._around) if place.kind == source]
            there = [place.path for place in usual if place.path.is_dir()]
            if not there:
                message = f"no store of {source} at the usual places"
                places = ", ".join(str(place.path) for place in usual) or "there is none"
                raise NotFoundError(message, hint="name its folder", details={"looked": places})
            return there[0], Kind(source)
        return Path(source), kind

    def _plan(self, place: tuple[Path, Kind | None], wish: Wish, artifacts: Sequence[Artifact]) -> MigrationPlan:
        inventory: Inventory = look(place[0], self._around, place[1])
        paving = Paving(self._hall.library.root)
        ground = Ground(artifacts, _digest_of, self._hall.library.blobs.has, paving.method_of)
        return make_plan(inventory, wish, ground)

    def disk_free(self) -> int:
        """Bytes that are free where the library is. Blocks."""
        folder = self._hall.library.root
        return shutil.disk_usage(next(each for each in (folder, *folder.parents) if each.is_dir())).free

    async def start(self, source: str, kind: Kind | None, wish: Wish) -> Outcome:
        """Begin to adopt *source*; what is here already is left alone.

        Raises what `plan` raises; ConflictError when another one is under way; DiskError.
        """
        await self._free_hands()
        plan = await self.plan(source, kind, wish)
        now = self._clock.now()
        if not plan.steps:
            return Outcome(plan, None, APPLIED, now)
        lacking = plan.bytes_copied + self._limits.min_free - await asyncio.to_thread(self.disk_free)
        if plan.bytes_copied and lacking > 0:
            message = f"{plan.bytes_copied:,} bytes would be copied, and there is no room for {lacking:,} of them"
            raise DiskError(message, hint="free some space, or choose --mode reference or move")
        journal = self._journals.journal(self._new_id())
        await settled(asyncio.to_thread(journal.begin, Header(journal.id, now, plan)))
        self._begin(journal)
        return await self.show(journal.id)

    async def _free_hands(self) -> None:
        """Make sure that nothing is under way; what is over has a moment to end. Raises ConflictError."""
        if self._running is None:
            return
        if await asyncio.to_thread(_state, self._journals.journal(self._running)) in {APPLIED, UNDONE}:
            await self.wait()
            return
        message = f"the migration {self._running} is under way"
        raise ConflictError(message, hint="wait for its end, or roll it back: `roundhouse models migrate --list`")

    def _begin(self, journal: Journal) -> None:
        self._running, self._bytes_done = journal.id, 0
        self._task = asyncio.create_task(self._carry(journal), name=f"migration {journal.id}")

    async def wait(self) -> None:
        """Until nothing is under way."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _carry(self, journal: Journal) -> None:
        """Go on with *journal* to its end, in whichever direction it goes."""
        try:
            async with self._turn:
                if _state(journal) == UNDOING:
                    await self._undo(journal)
                else:
                    await self._apply(journal)
        except (RoundhouseError, OSError) as error:
            _log.warning("a migration stopped", migration=journal.id, reason=str(error))
        except Exception:  # noqa: BLE001 - the job boundary: it is gone on with at the next start
            _log.exception("a migration stopped", migration=journal.id)
        finally:
            self._running = None

    async def _apply(self, journal: Journal) -> None:
        plan = journal.header().plan
        done = {event.model for event in journal.events() if isinstance(event, Adopted | Failed)}
        for step in plan.steps:
            if step.model not in done:
                await self._adopt(journal, step, plan.wish.mode)
        if plan.leaving:
            await settled(asyncio.to_thread(leave, journal, plan))
        await settled(asyncio.to_thread(shutil.rmtree, journal.staged, ignore_errors=True))
        await settled(asyncio.to_thread(journal.write, Marked(APPLIED)))
        await self.changed()

    async def _adopt(self, journal: Journal, step: Step, mode: Mode) -> None:
        try:
            await adopt(self._hall, journal, step, mode, self._watch)
        except (RoundhouseError, OSError) as error:
            if self._stopping.is_set():
                raise
            for event in journal.events():
                if isinstance(event, Adopting) and event.model == step.model:
                    await undo(self._hall, journal, event)
            await asyncio.to_thread(shutil.rmtree, journal.staged, ignore_errors=True)
            journal.write(Failed(step.model, _told(error).to_dict()))
            _log.warning("a model was not adopted", model=step.model, reason=str(error))
        else:
            await self.changed()

    def _watch(self, count: int) -> None:
        if self._stopping.is_set():
            message = "Roundhouse is stopping"
            raise AbortedError(message)
        self._bytes_done += count

    async def rollback(self, migration_id: str) -> Outcome:
        """Take back all that a migration did, also while it is under way. Raises NotFoundError, ConflictError."""
        journal = self._journals.journal(migration_id)
        await asyncio.to_thread(journal.header)
        if self._running == migration_id and self._task is not None and _state(journal) == APPLYING:
            await self._stop()
        await self._free_hands()
        if _state(journal) != UNDONE:
            await settled(asyncio.to_thread(journal.write, Marked(UNDOING)))
            self._begin(journal)
            await self.wait()
        return await self.show(migration_id)

    async def _undo(self, journal: Journal) -> None:
        events = journal.events()
        left = await settled(asyncio.to_thread(restore_store, self._hall, journal, events))
        for event in reversed(events):
            if isinstance(event, Adopting):
                left += await undo(self._hall, journal, event)
        await settled(asyncio.to_thread(journal.write, Marked(UNDONE, tuple(dict.fromkeys(left)))))
        await settled(asyncio.to_thread(journal.tidy))
        await self.changed()

    async def forget(self, migration_id: str) -> Outcome:
        """Remove what is remembered of a migration that is over, and with it the way back; tell what it was.

        Raises NotFoundError, ConflictError.
        """
        outcome = await self.show(migration_id)
        if outcome.state not in {APPLIED, UNDONE}:
            message = f"the migration {migration_id} is not over"
            raise ConflictError(message, hint="roll it back, or let it come to its end")
        await settled(asyncio.to_thread(self._journals.forget, migration_id))
        return outcome

    async def list(self) -> Sequence[Outcome]:
        """All that are remembered, newest first."""
        return [await self.show(journal.id) for journal in await asyncio.to_thread(self._journals.known)]

    async def show(self, migration_id: str) -> Outcome:
        """One of them. Raises NotFoundError."""
        outcome = await asyncio.to_thread(_outcome, self._journals.journal(migration_id))
        if migration_id == self._running:
            return replace(outcome, bytes_done=self._bytes_done)
        return outcome

    async def recover(self) -> None:
        """Go on with what a kill interrupted."""
        for journal in await asyncio.to_thread(self._journals.known):
            state = await asyncio.to_thread(_state, journal)
            if state in {APPLYING, UNDOING} and self._running is None:
                self._begin(journal)

    async def close(self) -> None:
        """Stop; what is not over goes on at the next start."""
        await self._stop()

    async def _stop(self) -> None:
        if self._task is not None and not self._task.done():
            self._stopping.set()
            self._task.cancel()
            await asyncio.wait([self._task])
        self._stopping.clear()
        self._running = None


async def _nothing() -> None:
    """Tell nobody."""


def _digest_of(file: FoundFile) -> Digest:
    return read_whole(file.path).digest


def _told(error: RoundhouseError | OSError) -> RoundhouseError:
    if isinstance(error, RoundhouseError):
        return error
    return DiskError(f"the disk refused: {error.strerror or error}")


def _state(journal: Journal) -> str:
    marks = [event.point for event in journal.events() if isinstance(event, Marked)]
    return marks[-1] if marks else APPLYING


def _outcome(journal: Journal) -> Outcome:
    header, events = journal.header(), journal.events()
    state = _state(journal)
    adopted = tuple(dict.fromkeys(event.model for event in events if isinstance(event, Adopted)))
    sizes = {step.model: sum(task.file.size for task in step.tasks) for step in header.plan.steps}
    left = [line for event in events if isinstance(event, Marked) for line in event.left]
    return Outcome(
        header.plan,
        header.id,
        state,
        header.created_at,
        () if state == UNDONE else adopted,
        tuple((event.model, event.error) for event in events if isinstance(event, Failed)),
        sum(sizes[model] for model in adopted),
        tuple(left),
    )
