"""Cleaning up, done: what the plan says goes, one model after the other. Knows nothing about HTTP, SQL or backends.

Every step leaves the old state or the new one when it is killed: a model goes from the registry first, then its folder
and blobs; what is left then is a leftover of the next time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from roundhouse.core.artifacts import Artifact, Digest
from roundhouse.core.clock import Clock
from roundhouse.core.errors import DiskError, NotFoundError
from roundhouse.core.ports import Transfers
from roundhouse.library.folders import folder_name
from roundhouse.library.library import Library
from roundhouse.library.marking import Marking
from roundhouse.transfers.fetch import key_of
from roundhouse.upkeep.collecting.cost import refetch
from roundhouse.upkeep.collecting.plan import Goal, Holding, Verdict, judge, span
from roundhouse.upkeep.collecting.survey import Leftover, Needs, Survey, remove, survey
from roundhouse.upkeep.plans import Plans

#: More transfers than anybody has that are not over.
_ALL_TRANSFERS = 100_000


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    """What holds for every cleaning."""

    #: What was touched so lately may belong to something under way.
    grace: timedelta = timedelta(hours=1)
    offline: bool = False
    #: What each alias stands for.
    aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wish:
    """What one cleaning should reach."""

    unused_for: timedelta | None = None
    quota: int | None = None
    min_free: int | None = None
    orphans_only: bool = False
    include_irreplaceable: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What went, or would go, and what stayed."""

    verdicts: tuple[Verdict, ...]
    #: Each leftover, and why it stays; ``None`` when it goes.
    leftovers: tuple[tuple[Leftover, str | None], ...]
    survey: Survey
    #: Bytes that were to come free.
    needed: int

    @property
    def bytes_freed(self) -> int:
        """All together."""
        models = sum(verdict.bytes_freed for verdict in self.verdicts)
        return models + sum(leftover.bytes_freed for leftover, kept in self.leftovers if kept is None)


class Collector:
    """Cleans up one library."""

    def __init__(
        self,
        library: Library,
        transfers: Transfers,
        marking: Marking,
        clock: Clock,
        in_use: Callable[[], Collection[str]],
        settings: CollectorSettings | None = None,
    ) -> None:
        self._library, self._transfers, self._marking, self._clock = library, transfers, marking, clock
        #: Models that are in memory or answer now.
        self._in_use = in_use
        self._settings = settings or CollectorSettings()
        self._plans = Plans(library.root / "plans")
        self._running = asyncio.Lock()

    async def plan(self, wish: Wish) -> Outcome:
        """Tell what `collect` would do now. Raises DiskError."""
        now = self._clock.now()
        artifacts = await self._library.list()
        needs, held = await self._needs(artifacts)
        try:
            found = await asyncio.to_thread(survey, self._library.root, needs)
        except OSError as error:
            raise _refused(error) from error
        leftovers = tuple((each, self._reason(each, now)) for each in found.leftovers)
        needed = _needed(wish, found)
        if wish.orphans_only:
            return Outcome((), leftovers, found, 0)
        swept = sum(leftover.bytes_freed for leftover, kept in leftovers if kept is None)
        goal = Goal(now, wish.unused_for, max(0, needed - swept), wish.include_irreplaceable)
        holdings = await self._holdings(artifacts, held)
        return Outcome(judge(holdings, found.freeable, goal, held), leftovers, found, needed)

    async def collect(self, wish: Wish) -> Outcome:
        """Do what the plan says, leaving alone what has come into use meanwhile. Raises DiskError."""
        async with self._running:
            planned = await self.plan(wish)
            leftovers = await self._sweep(planned.leftovers)
            verdicts = [await self._execute(verdict, planned.survey) for verdict in planned.verdicts]
        return replace(planned, verdicts=tuple(verdicts), leftovers=leftovers)

    async def _needs(self, artifacts: Sequence[Artifact]) -> tuple[Needs, frozenset[Digest]]:
        """What models and downloads need, and of that what downloads hold."""
        active = [each.id for each in await self._transfers.list(limit=_ALL_TRANSFERS) if not each.state.over]
        plans = [plan for id_ in active if (plan := await asyncio.to_thread(self._plans.get, id_)) is not None]
        files = [(file, plan.source) for plan in plans for file in plan.files]
        held = self._library.in_flight() | {file.digest for file, _ in files if file.digest is not None}
        needs = Needs(
            blobs=held | await self._library.referenced(),
            partials={key_of(file, source) for file, source in files} | {f"sha256-{digest}" for digest in held},
            plans=frozenset(active),
            folders={folder_name(artifact.model) for artifact in artifacts},
        )
        return needs, held

    async def _holdings(self, artifacts: Sequence[Artifact], held: Collection[Digest]) -> Sequence[Holding]:
        aside = await asyncio.to_thread(self._library.blobs.quarantined)
        known = await self._transfers.list(limit=_ALL_TRANSFERS)
        price = refetch(known, offline=self._settings.offline, quarantined=aside)
        in_use = self._in_use()
        holdings = []
        for artifact in artifacts:
            blobs = frozenset(file.digest for file in artifact.files)
            cost_s, irreplaceable = price(artifact)
            holdings.append(
                Holding(
                    model=artifact.model,
                    blobs=blobs,
                    size=artifact.size,
                    idle_since=self._idle_since(artifact),
                    cost_s=cost_s,
                    protected=self._protected(artifact, in_use, is_held=not blobs.isdisjoint(held)),
                    irreplaceable=irreplaceable,
                    warnings=tuple(
                        f"the alias {alias} stands for it"
                        for alias, targets in sorted(self._settings.aliases.items())
                        if any(_means(target, artifact.model) for target in targets)
                    ),
                    last_used_at=self._marking.of(artifact.model).last_used_at,
                )
            )
        return holdings

    def _idle_since(self, artifact: Artifact) -> datetime:
        return max(self._marking.of(artifact.model).last_used_at or artifact.created_at, artifact.created_at)

    def _protected(self, artifact: Artifact, in_use: Collection[str], *, is_held: bool) -> str | None:
        if self._marking.of(artifact.model).pinned:
            return "pinned"
        if artifact.model in in_use:
            return "in use: it is in memory or answers now"
        return "a download needs its files" if is_held else None

    def _reason(self, leftover: Leftover, now: datetime) -> str | None:
        """Why it stays; ``None`` when it goes."""
        age = now - datetime.fromtimestamp(leftover.touched, UTC)
        if age >= self._settings.grace:
            return None
        return f"touched {span(age)} ago; goes when it is {span(self._settings.grace)} old"

    async def _sweep(self, leftovers: Sequence[tuple[Leftover, str | None]]) -> tuple[tuple[Leftover, str | None], ...]:
        """Remove what no model needs. What was needed in the meantime stays."""
        going = [leftover for leftover, kept in leftovers if kept is None]
        needs, _ = await self._needs(await self._library.list())
        blobs = [Digest(each.path.name.removeprefix("sha256-")) for each in going if each.kind == "blob"]
        try:
            await self._library.sweep(blobs)
            for each in going:
                if each.kind != "blob" and _is_free(each, needs):
                    await asyncio.to_thread(remove, each)
        except OSError as error:
            raise _refused(error) from error
        there = [await asyncio.to_thread(each.path.exists) for each, _ in leftovers]
        return tuple(
            (each, kept or ("needed again" if stays else None))
            for (each, kept), stays in zip(leftovers, there, strict=True)
        )

    async def _execute(self, verdict: Verdict, found: Survey) -> Verdict:
        """Remove one model, if that is still right; what it really freed."""
        if not verdict.removed:
            return verdict
        holding = verdict.holding
        try:
            artifact = await self._library.get(holding.model)
        except NotFoundError:
            return replace(verdict, removed=False, reason="gone already", bytes_freed=0)
        is_held = not holding.blobs.isdisjoint(self._library.in_flight())
        reason = self._protected(artifact, self._in_use(), is_held=is_held)
        if reason is None and self._idle_since(artifact) > holding.idle_since:
            reason = "used meanwhile"
        if reason is not None:
            return replace(verdict, removed=False, reason=reason, bytes_freed=0)
        before = {digest for digest in holding.blobs if self._library.blobs.has(digest)}
        await self._library.remove(holding.model)
        gone = [digest for digest in before if not self._library.blobs.has(digest)]
        return replace(verdict, bytes_freed=sum(found.freeable.get(digest, 0) for digest in gone))


def _needed(wish: Wish, found: Survey) -> int:
    """Bytes that must come free."""
    over = 0 if wish.quota is None else found.bytes_used - wish.quota
    short = 0 if wish.min_free is None else wish.min_free - found.disk_free
    return max(0, over, short)


def _is_free(leftover: Leftover, needs: Needs) -> bool:
    """Whether it is still needed by nobody."""
    name = leftover.path.name
    needed: Mapping[str, Collection[str]] = {
        "partial": needs.partials,
        "plan": needs.plans,
        "folder": needs.folders,
    }
    return (name if leftover.kind == "folder" else name.partition(".")[0]) not in needed.get(leftover.kind, ())


def _means(target: str, model: str) -> bool:
    """Whether an alias's *target* may be *model*: by name, without its variant, or behind a backend's name."""
    return any(name in {model, model.rpartition(":")[0]} for name in (target, target.partition("/")[2]) if name)


def _refused(error: OSError) -> DiskError:
    message = f"the disk refused: {error.strerror or error}"
    return DiskError(message, hint="let this user read and write below library.path")
