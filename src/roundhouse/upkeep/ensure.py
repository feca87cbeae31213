"""Models that somebody declared, brought to "present and verified". Knows nothing about files of declarations.

Nothing is kept between two runs: what is here and what is under way tells what is left to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from roundhouse.core.artifacts import Artifact, Digest
from roundhouse.core.desks.ensure import EnsureAction, EnsuredModel, EnsureReport
from roundhouse.core.errors import ConflictError, LicenseError, RoundhouseError, SchemaError, VerifyError
from roundhouse.core.marks import MOST_TAGS, Tag
from roundhouse.library import Library
from roundhouse.library.exchange.document import decoded, refusal
from roundhouse.library.marking import Marking
from roundhouse.upkeep.admission import LicenseBook
from roundhouse.upkeep.pull import Pulls
from roundhouse.upkeep.references import checked_name, normal, origin, pinned, unpinned
from roundhouse.upkeep.repair import Repairs

#: Bytes of a declaration, and models in it.
LARGEST = 1 << 20
_MOST = 1000


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One declared model."""

    ref: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    #: What it shall be called; the name that its source gives it otherwise.
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    #: The exact one that its source knows: a commit, the digest of a manifest.
    revision: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None = None
    #: Whether cleaning up leaves it alone; not a word leaves that to whoever pinned it.
    pin: bool | None = None
    #: Put on it, beside those that it has.
    tags: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_TAGS)] = ()
    #: Whether whoever declares this agrees to its licence.
    accept_license: bool = False

    @property
    def wanted(self) -> str:
        """What to pull."""
        return self.ref if self.revision is None else pinned(self.ref, self.revision)


class Declaration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ought to be here."""

    models: Annotated[tuple[Wish, ...], msgspec.Meta(max_length=_MOST)]
    version: Literal[1] = 1


def read(document: bytes) -> Sequence[Wish]:
    """The models of *document*, their references in one form. Raises SchemaError that names the JSON path."""
    if len(document) > LARGEST:
        message = f"a declaration has {LARGEST:,} bytes at most"
        raise SchemaError(message)
    wishes = []
    seen: set[str] = set()
    for number, wish in enumerate(decoded(document, Declaration).models):
        path = f"$.models[{number}]"
        try:
            made = msgspec.structs.replace(
                wish,
                ref=normal(wish.ref),
                name=None if wish.name is None else checked_name(wish.name),
                tags=tuple(Tag(tag) for tag in wish.tags),
            )
        except SchemaError as error:
            raise refusal(path, error.message) from None
        if made.revision is not None and not made.revision.isprintable():
            raise refusal(path + ".revision", "holds characters that cannot be printed")
        if (key := made.name or unpinned(made.ref)) in seen:
            raise refusal(path, f"{key} is declared twice")
        seen.add(key)
        wishes.append(made)
    return wishes


@dataclass(frozen=True, slots=True)
class Means:
    """What it takes to bring models and keep them."""

    library: Library
    pulls: Pulls
    repairs: Repairs
    marking: Marking
    licenses: LicenseBook


class Ensuring:
    """Brings what is declared, on behalf of somebody."""

    def __init__(self, means: Means, by: str | None = None) -> None:
        self._means, self._by = means, by
        self._library, self._pulls = means.library, means.pulls

    async def ensure(self, document: bytes, *, dry_run: bool) -> EnsureReport:
        """Look at each model, mend it, or start to pull what is missing or another revision. Raises SchemaError."""
        models = [await self._settle(wish, dry_run=dry_run) for wish in read(document)]
        return EnsureReport(tuple(models), dry_run)

    async def _settle(self, wish: Wish, *, dry_run: bool) -> EnsuredModel:
        name = wish.name
        try:
            artifact = _find(wish, await self._library.list())
            name = artifact.model if artifact is not None else wish.name
            action, reason = await self._judge(wish, artifact)
            if artifact is not None and action == "restore" and not dry_run and await self._mended(artifact):
                action, reason = "none", f"{reason}; it was repaired"
            if artifact is not None and action == "none":
                if not dry_run:
                    await self._mark(artifact.model, wish)
                return EnsuredModel(wish.ref, name, "present", action, reason)
            transfer = None if dry_run else await self._begin(wish, name)
            return EnsuredModel(wish.ref, name, "pending", action, reason, transfer)
        except RoundhouseError as error:
            return EnsuredModel(wish.ref, name, "failed", "none", error.message, error=error.to_dict())

    async def _mended(self, artifact: Artifact) -> bool:
        """Fetch what is damaged; whether all is right now. What cannot be mended is pulled anew."""
        return (await self._means.repairs.repair(artifact.model)).ok

    async def _mark(self, model: str, wish: Wish) -> None:
        """Say of a model that is here what is declared. Raises SchemaError."""
        marking = self._means.marking
        known, tags = marking.of(model), {Tag(tag) for tag in wish.tags}
        if wish.pin is not None and wish.pin != known.pinned:
            await marking.pin(model, pinned=wish.pin)
        if not tags <= {*known.tags}:
            await marking.tag(model, tags, ())

    async def _begin(self, wish: Wish, name: str | None) -> str:
        """Start to pull, after agreeing to the licence where that is declared. Raises what `Pulls.start` raises."""
        try:
            return (await self._pulls.start(wish.wanted, name, by=self._by)).id
        except LicenseError as error:
            digest = error.details.get("digest")
            if not (wish.accept_license and self._by and isinstance(digest, str)):
                raise
            license_id = error.details.get("license")
            named = license_id if isinstance(license_id, str) else None
            await self._means.licenses.accept(Digest(digest), named, self._by)
        return (await self._pulls.start(wish.wanted, name, by=self._by)).id

    async def _judge(self, wish: Wish, artifact: Artifact | None) -> tuple[EnsureAction, str]:
        """What is needed, and why."""
        if artifact is None:
            return "pull", "it is not here"
        if wish.revision is not None and artifact.revision != wish.revision:
            return "update", f"revision {artifact.revision[:19]} is here, {wish.revision[:19]} is declared"
        if artifact.verified_at is not None and (await self._library.verify(artifact.model, quick=True)).ok:
            return "none", "here and verified"
        report = await self._library.verify(artifact.model)
        wrong = [f"{file.name} {file.problem}" for file in report.files if not file.ok]
        if report.signature_problem is not None and not wrong:
            message = f"{artifact.model}: {report.signature_problem}"
            raise VerifyError(message, hint=f"see `roundhouse models verify {artifact.model}`")
        return ("restore", wrong[0]) if wrong else ("none", "here, and every byte was read again")


def _find(wish: Wish, here: Sequence[Artifact]) -> Artifact | None:
    """The model that is declared, if it is here in whatever revision. Raises ConflictError."""
    if wish.name is not None:
        artifact = next((each for each in here if each.model == wish.name), None)
        if artifact is not None and origin(artifact.ref) != origin(wish.ref):
            message = f"a model called {wish.name} is here already, from {artifact.ref}"
            raise ConflictError(message, hint="declare another name, or remove that one first")
        return artifact
    same = [each for each in here if unpinned(each.ref) == unpinned(wish.ref)]
    return next((each for each in same if each.revision == wish.revision), same[0] if same else None)
