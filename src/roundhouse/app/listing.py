"""All models as people see them, made anew only where something changed: lists are asked for often, and are long.

Knows nothing about HTTP. What it shows is what the library, the fleet and the marks say at this moment.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from roundhouse.app.fleet import Fleet
from roundhouse.core.artifacts import Artifact, Digest
from roundhouse.core.inference import Deployment
from roundhouse.core.marks import Mark
from roundhouse.core.views import DiskUse, Model
from roundhouse.library.library import Library
from roundhouse.library.marking import Marking
from roundhouse.routing.joining import also_called
from roundhouse.routing.snapshot import Snapshot
from roundhouse.upkeep.admission import LicenseBook

#: How a model looks, from its name, what is held of it, who serves it, what is said about it, and the blobs that are
#: in quarantine.
Show = Callable[[str, Artifact | None, Sequence[Deployment], Mark, Collection[Digest]], Model]


@dataclass(frozen=True, slots=True)
class _Row:
    """A model, and what it was made of: while that is the same, so is the model."""

    artifact: Artifact | None
    deployments: tuple[Deployment, ...]
    mark: Mark
    same_as: tuple[str, ...]
    model: Model


class Listing:
    """The list of models, remembered."""

    def __init__(self, library: Library, fleet: Fleet, marking: Marking, book: LicenseBook, show: Show) -> None:
        self._library, self._fleet, self._marking, self._show = library, fleet, marking, show
        self._book = book
        #: What all rows depend on: the blobs in quarantine, and who agreed to what.
        self._common: object = None
        self._rows: dict[str, _Row] = {}
        self._snapshot: Snapshot | None = None
        #: What the list was made of: while that is the same, so is the list.
        self._made_of: tuple[object, object, object] = (None, None, None)
        self._models: Sequence[Model] = ()
        self._served: Mapping[str, tuple[Deployment, ...]] = {}
        #: Other names of the same weights, by model.
        self._same_as: Mapping[str, tuple[str, ...]] = {}

    def served(self) -> Mapping[str, tuple[Deployment, ...]]:
        """Deployments by model."""
        snapshot = self._fleet.snapshot()
        if self._snapshot is not snapshot:
            served: dict[str, list[Deployment]] = {}
            for deployment in self._fleet.deployments():
                served.setdefault(deployment.model, []).append(deployment)
            self._snapshot = snapshot
            self._served = {name: self._same(name, tuple(each)) for name, each in served.items()}
            self._same_as = also_called(snapshot.same)
        return self._served

    def _same(self, name: str, deployments: tuple[Deployment, ...]) -> tuple[Deployment, ...]:
        """What was there before, if it is equal: backends tell the same again and again."""
        before = self._served.get(name)
        return before if before == deployments and before is not None else deployments

    async def models(self) -> Sequence[Model]:
        """All of them, by name."""
        artifacts, aside = await self._library.list(), await self._library.quarantined()
        common = (aside, self._book.agreed)
        if common != self._common:
            self._common, self._rows, self._made_of = common, {}, (None, None, None)
        served, changes = self.served(), self._marking.changes
        # By identity: all three are replaced as a whole, and comparing their contents would take as long as the list.
        now = (artifacts, served, changes)
        if any(one is not other for one, other in zip(now, self._made_of, strict=True)):
            self._made_of = now
            self._models = tuple(self._renewed({artifact.model: artifact for artifact in artifacts}, served, aside))
        return self._models

    def _renewed(
        self,
        held: Mapping[str, Artifact],
        served: Mapping[str, tuple[Deployment, ...]],
        aside: Collection[Digest],
    ) -> Iterator[Model]:
        """All models by name; those of which nothing has changed are the same objects as before."""
        known, rows = self._rows, {}
        for name in sorted({*held, *served}):
            artifact, deployments, mark = held.get(name), served.get(name, ()), self._marking.of(name)
            same_as, row = self._same_as.get(name, ()), known.get(name)
            if (
                row is None
                or row.artifact is not artifact
                or row.deployments is not deployments
                or row.mark is not mark
                or row.same_as != same_as
            ):
                model = replace(self._show(name, artifact, deployments, mark, aside), same_as=same_as)
                row = _Row(artifact, deployments, mark, same_as, model)
            rows[name] = row
        self._rows = rows
        return (row.model for row in rows.values())

    async def model(self, name: str, artifact: Artifact | None) -> Model:
        """One, whether it is held or not."""
        aside, served = await self._library.quarantined(), self.served().get(name, ())
        shown = self._show(name, artifact, served, self._marking.of(name), aside)
        return replace(shown, same_as=self._same_as.get(name, ()))

    async def disk_use(self, artifact: Artifact) -> DiskUse:
        """What one model takes on the disk now."""
        kept = [*await self._library.list(), *(older.artifact for older in await self._library.older())]
        needed = Counter(file.digest for each in kept for file in each.files)
        own = Counter(file.digest for file in artifact.files)
        return await asyncio.to_thread(self._look, needed, own)

    def _look(self, needed: Counter[Digest], own: Counter[Digest]) -> DiskUse:
        """Ask the file system who else has a link; our own folders have one for each use."""
        total = shared = linked = freed = 0
        for digest, times in own.items():
            path = self._library.blobs.path_of(digest)
            try:
                facts = path.lstat()
                size = path.stat().st_size
            except FileNotFoundError:
                continue
            is_linked = path.is_symlink() or facts.st_nlink > 1 + needed[digest]
            is_shared = needed[digest] > times
            total += size
            shared += size if is_shared else 0
            linked += size if is_linked else 0
            freed += 0 if is_shared or is_linked else size
        return DiskUse(total, shared, linked, freed)
