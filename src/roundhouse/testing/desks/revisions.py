"""Revisions in memory: what is newer is here as soon as it is asked for, and the way back is one step."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace

from roundhouse.core.desks.revisions import Rollback, Update, UpdateCheck
from roundhouse.core.errors import ConflictError, NotFoundError, OfflineError
from roundhouse.core.views import ModelDetail, RevisionView, TransferView


@dataclass(kw_only=True)
class InMemoryRevisions:
    """What there is upstream, by the name of the model."""

    catalog: list[ModelDetail] = field(default_factory=list)
    #: Revisions upstream; the one of a model that is not named here is the one that it has.
    upstream: dict[str, str] = field(default_factory=dict)
    #: Models whose reference names its bytes.
    pinned: set[str] = field(default_factory=set)

    @abstractmethod
    async def model(self, name: str) -> ModelDetail:
        """Show one. Raises NotFoundError."""

    @abstractmethod
    async def start_pull(self, ref: str, name: str | None) -> TransferView:
        """Start, or join."""

    async def check_update(self, name: str) -> UpdateCheck:
        """Compare. Raises NotFoundError, ConflictError, OfflineError."""
        model = await self._own(name)
        revision = model.revision or ""
        if name in self.pinned:
            return UpdateCheck(model=name, state="pinned", revision=revision, detail=f"pinned to {revision}")
        available = self.upstream.get(name, revision)
        if available == revision:
            return UpdateCheck(model=name, state="current", revision=revision, detail="nothing newer at its source")
        if available == "unreachable":
            message = "that needs the network, and Roundhouse is offline"
            raise OfflineError(message)
        known = {each.revision for each in model.revisions}
        return UpdateCheck(
            model=name,
            state="newer",
            revision=revision,
            available=available,
            bytes_total=model.size,
            bytes_needed=0 if available in known else model.size,
            was_here=available in known,
            detail="a newer revision is there",
        )

    async def update_model(self, name: str, *, dry_run: bool = False) -> Update:
        """Have it at once. Raises what `check_update` raises."""
        check = await self.check_update(name)
        if dry_run or check.available is None:
            return Update(check, None, dry_run)
        model = await self._own(name)
        self._serve(model, check.available)
        return Update(check, await self.start_pull(model.ref or "", name), dry_run)

    async def roll_back_model(self, name: str, wanted: str | None = None, *, dry_run: bool = False) -> Rollback:
        """Serve the one before. Raises NotFoundError, ConflictError."""
        model = await self._own(name)
        fitting = [
            each for each in model.revisions if not each.served and each.revision.startswith(wanted or each.revision)
        ]
        if not fitting:
            message = f"no older revision of {name} is here"
            raise NotFoundError(message, hint="`library.keep_revisions` says how many are kept")
        before = model.revision or ""
        if not dry_run:
            self._serve(model, fitting[0].revision)
        return Rollback(name, fitting[0].revision, fitting[0].key, before, dry_run)

    def _serve(self, model: ModelDetail, revision: str) -> None:
        """Let *revision* be the one that is served, and keep the one that was."""
        names = [revision, *(name for name in (model.revision or "", *_older(model)) if name != revision)]
        when = model.created_at
        views = tuple(RevisionView(name, name[:12], model.size or 0, when, name == revision) for name in names)
        now = replace(model, revision=revision, revisions=views)
        self.catalog = [now if each.name == model.name else each for each in self.catalog]

    async def _own(self, name: str) -> ModelDetail:
        model = await self.model(name)
        if not model.local:
            message = f"{name} is not in the library"
            raise ConflictError(message)
        return model


def _older(model: ModelDetail) -> list[str]:
    return [each.revision for each in model.revisions if not each.served]
