"""Repairs in memory: a rotten model is made right, unless nobody has its bytes any more."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace

from roundhouse.core.desks.repair import FileRepair, Repair
from roundhouse.core.errors import NotFoundError
from roundhouse.core.views import ByteRange, ModelDetail, ModelFile

#: The second chunk of a file.
ROT = ByteRange(16 << 20, 16 << 20)


@dataclass(kw_only=True)
class InMemoryRepairs:
    """Which bytes are wrong, and which of those can be had again."""

    #: Names of models whose bytes have rotted.
    rotten: set[str] = field(default_factory=set)
    #: Those of them that nobody has any more.
    lost: set[str] = field(default_factory=set)

    @abstractmethod
    async def model(self, name: str) -> ModelDetail:
        """Show one. Raises NotFoundError."""

    async def repair_model(self, name: str, *, dry_run: bool = False) -> Repair:
        """Bring one chunk again. Raises NotFoundError."""
        model = await self.model(name)
        is_rotten = model.name in self.rotten
        files = tuple(self._treated(file, model.name, dry_run=dry_run) for file in model.files)
        moved = sum(file.bytes_fetched for file in files)
        if is_rotten and not dry_run and name not in self.lost:
            self.rotten.discard(name)
        loaded = (name,) if is_rotten and model.loaded and not dry_run else ()
        ok = not is_rotten or not (dry_run or name in self.lost)
        return Repair(name, ok, dry_run, files, ROT.length if is_rotten else 0, 0, moved, 12.5, loaded)

    def _treated(self, file: ModelFile, model: str, *, dry_run: bool) -> FileRepair:
        told = FileRepair(file.name, file.size, file.digest, "right")
        if model not in self.rotten:
            return told
        if dry_run:
            return replace(told, outcome="damaged", damaged=(ROT,), bytes_fetched=ROT.length)
        if model in self.lost:
            error = NotFoundError("no such revision", hint="pull it again").to_dict()
            return replace(told, outcome="quarantined", damaged=(ROT,), error=error)
        return replace(told, outcome="repaired", damaged=(ROT,), bytes_fetched=ROT.length)
