"""Making the bytes of models right again, for the API and the pages."""

from __future__ import annotations

from dataclasses import replace

from roundhouse.app.desks.models import Models
from roundhouse.core.desks.repair import Repair
from roundhouse.core.inference import Residency


class RepairDesk(Models):
    """What goes beyond looking at the models of the library."""

    async def repair_model(self, name: str, *, dry_run: bool = False) -> Repair:
        """Fetch what is wrong of a model again, or put it into quarantine; what failed is in the answer.

        Raises NotFoundError; ConflictError when it is not ours to repair.
        """
        artifact = await self.ours(name, "be repaired")
        done = await self._rooms.repairs.repair(artifact.model, dry_run=dry_run)
        touched = {file.digest for file in done.files if file.outcome in {"repaired", "quarantined"}}
        if touched:
            await self._rooms.fleet.refresh()
        return replace(done, loaded=await self._in_memory(touched))

    async def _in_memory(self, digests: set[str]) -> tuple[str, ...]:
        """The models with some of these bytes that are loaded here: a runtime keeps the file that it has opened."""
        loaded = {
            each.model for each in self._rooms.fleet.deployments() if each.local and each.residency is Residency.LOADED
        }
        held = await self._rooms.library.list()
        return tuple(
            each.model for each in held if each.model in loaded and any(file.digest in digests for file in each.files)
        )
