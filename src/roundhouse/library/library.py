"""The models we hold. Knows nothing about where they came from or what runs them.

Order is everything: bytes before the registry when a model comes, the registry before the bytes when it goes. A kill
in between leaves a model that is wholly there or wholly gone, and at worst a blob that nobody refers to.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, Older, Plan
from roundhouse.core.clock import Clock
from roundhouse.core.errors import ConflictError, NotFoundError, SchemaError, VerifyError
from roundhouse.core.events import ArtifactAdded, ArtifactRemoved, ArtifactVerified, Events
from roundhouse.core.ports import Artifacts
from roundhouse.library.admission import terms_of
from roundhouse.library.blobs import Blobs
from roundhouse.library.chunks import CHUNK_BYTES, Piece
from roundhouse.library.folders import Folders
from roundhouse.library.formats import Facts, describe
from roundhouse.library.infirmary import Infirmary
from roundhouse.library.integrity import FileReport, Integrity, VerifyReport
from roundhouse.library.revisions import chosen, kept_beside
from roundhouse.library.signing import Seal, Seals

#: Came with the program, which vouches for it.
_BUNDLED = "bundled"


class Library:
    """The artifacts below one root, and their registry."""

    def __init__(  # noqa: PLR0913 (one place introduces them)
        self,
        root: Path,
        artifacts: Artifacts,
        events: Events,
        clock: Clock,
        *,
        chunk_bytes: int = CHUNK_BYTES,
        keep_revisions: int = 0,
        seals: Seals | None = None,
    ) -> None:
        self.root, self._keep_revisions = root, keep_revisions
        self._seals = seals or Seals()
        self.blobs = Blobs(root / "blobs", root / "quarantine")
        self._folders = Folders(root / "models", self.blobs)
        self._integrity = Integrity(self.blobs, artifacts, chunk_bytes)
        self._artifacts, self._events, self._clock = artifacts, events, clock
        #: Digests that a transfer counts on: never removed, referenced or not yet.
        self._leased: Counter[Digest] = Counter()
        self._change = asyncio.Lock()
        #: What is done with bytes that are wrong.
        self.infirmary = Infirmary(self.blobs, self._folders, self._integrity, artifacts, self.partials, self._change)

    @property
    def partials(self) -> Path:
        """Where files are while they are not whole."""
        return self.root / "partials"

    def landed(self, digest: Digest, pieces: Sequence[Piece]) -> None:
        """Note how the bytes of a blob came in, so that registering them need not read them again."""
        self._integrity.landed(digest, pieces)

    async def add_from_transfer(
        self, plan: Plan, files: Sequence[ArtifactFile], name_of: Callable[[Facts], str] | None = None
    ) -> Artifact:
        """Register files whose blobs are in place, as one model, and tell the others.

        Raises SchemaError when a file is not what it says it is, VerifyError when its signature is wrong or missing
        (nothing is registered then), DiskError.
        """
        async with self._change:
            # First of all: the bytes are right and new on the disk, whatever they turn out to be.
            await self._integrity.record(files)
            try:
                facts = await asyncio.to_thread(describe, files, self.blobs.path_of)
                if plan.source != _BUNDLED:
                    await asyncio.to_thread(self._seals.check, files, self.blobs.path_of)
            except (SchemaError, VerifyError):
                await self._collect([file.digest for file in files], own=1)
                raise
            artifact = self._artifact(plan, files, facts, name_of)
            artifact = await self._newest(artifact)
            await asyncio.to_thread(self.blobs.settle)
            await self._switch(artifact, self._keep_revisions)
            await asyncio.to_thread(self.blobs.discharge, [file.digest for file in files])
        return artifact

    async def _newest(self, artifact: Artifact) -> Artifact:
        """*artifact* as what came last under its name, also when the clock was set back since the one before."""
        held = [known for known in await self._artifacts.list() if known.model == artifact.model]
        held += [each.artifact for each in await self._artifacts.older(artifact.model)]
        latest = max((each.created_at for each in held), default=artifact.created_at)
        if not held or latest < artifact.created_at:
            return artifact
        return replace(artifact, created_at=latest + timedelta(microseconds=1))

    async def _switch(self, artifact: Artifact, keep: int) -> None:
        """Let *artifact* be the one of its name, in one step; *keep* of the others stay beside it."""
        before = next((known for known in await self._artifacts.list() if known.model == artifact.model), None)
        older = await self._artifacts.older(artifact.model)
        kept = kept_beside(artifact, before, older, keep=keep, now=self._clock.now())
        await asyncio.to_thread(self._folders.ensure, artifact)
        await self._artifacts.switch(artifact, kept)
        self._events.publish(ArtifactAdded(artifact.model, artifact))
        await asyncio.to_thread(self._folders.keep_only, artifact.model, [artifact, *(each.artifact for each in kept)])
        gone = [*([] if before is None else [before]), *(each.artifact for each in older)]
        await self._collect([file.digest for each in gone for file in each.files])

    async def roll_back(self, model: str, wanted: str | None = None, *, dry_run: bool = False) -> Artifact:
        """Let an older revision of *model* be the one that is served, and keep the one that is; needs no network.

        Raises NotFoundError, also when some of its bytes are gone; ConflictError when *wanted* fits several.
        """
        async with self._change:
            older = await self._artifacts.older(model)
            target = chosen(await self._artifacts.get(model), older, wanted)
            if not dry_run:
                await self._switch(target, max(self._keep_revisions, len(older)))
        return target

    async def older(self, model: str | None = None) -> Sequence[Older]:
        """The revisions (of *model*) that are kept and not served; the last that served comes first."""
        return await self._artifacts.older(model)

    async def tidy(self) -> None:
        """Remove folders of what is no longer held: a kill may have come before that was done."""
        async with self._change:
            held = [*await self._artifacts.list(), *(each.artifact for each in await self._artifacts.older())]
            await asyncio.to_thread(self._folders.tidy, held)

    async def adopt(self, artifacts: Sequence[Artifact], fresh: Collection[Digest] = ()) -> None:
        """Register models whose blobs are in place, all of them or none; every byte of *fresh* was just hashed.

        What their files say about themselves is believed, not what *artifacts* say. Raises SchemaError, NotFoundError,
        VerifyError.
        """
        async with self._change:
            now = self._clock.now()
            described = [await asyncio.to_thread(self._examined, artifact) for artifact in artifacts]
            hashed = [
                replace(each, verified_at=now) if all(file.digest in fresh for file in each.files) else each
                for each in described
            ]
            names = {artifact.model for artifact in artifacts}
            previous = [known for known in await self._artifacts.list() if known.model in names]
            await asyncio.to_thread(self.blobs.settle)
            await self._artifacts.add_all(hashed)
            older = await self._artifacts.older()
            await asyncio.to_thread(self._make_folders, hashed, [each.artifact for each in older])
            await self._collect([file.digest for known in previous for file in known.files])
            await asyncio.to_thread(self.blobs.discharge, list(fresh))
            for artifact in hashed:
                self._events.publish(ArtifactAdded(artifact.model, artifact))

    def _examined(self, artifact: Artifact) -> Artifact:
        """*artifact*, described by its own files. Raises SchemaError, NotFoundError, VerifyError."""
        for file in artifact.files:
            if not self.blobs.has(file.digest) or self.blobs.size(file.digest) != file.size:
                message = f"{artifact.model}: the bytes of {file.name} are not here"
                raise NotFoundError(message, hint=f"pull it again: `roundhouse pull {artifact.ref}`")
        facts = describe(artifact.files, self.blobs.path_of)
        if artifact.source != _BUNDLED:
            self._seals.check(artifact.files, self.blobs.path_of)
        return replace(
            artifact,
            format=facts.format,
            architecture=facts.architecture,
            quantization=facts.quantization,
            context=facts.context,
            parameters=facts.parameters,
            has_chat_template=facts.has_chat_template,
        )

    def _make_folders(self, artifacts: Sequence[Artifact], older: Sequence[Artifact]) -> None:
        """Make folders ready to load; one that cannot be made now is made when its model is asked for."""
        for artifact in artifacts:
            with suppress(OSError, NotFoundError):
                self._folders.ensure(artifact)
            self._folders.keep_only(
                artifact.model, [artifact, *(each for each in older if each.model == artifact.model)]
            )

    def _artifact(
        self, plan: Plan, files: Sequence[ArtifactFile], facts: Facts, name_of: Callable[[Facts], str] | None
    ) -> Artifact:
        now, terms = self._clock.now(), terms_of(plan, facts.license)
        return Artifact(
            model=name_of(facts) if name_of else plan.model,
            ref=plan.ref,
            source=plan.source,
            revision=plan.revision,
            files=tuple(files),
            format=facts.format,
            created_at=now,
            architecture=facts.architecture,
            quantization=facts.quantization,
            context=facts.context,
            parameters=facts.parameters,
            has_chat_template=facts.has_chat_template,
            license=terms.license,
            verified_at=now,  # every byte was hashed on its way in
            license_digest=terms.digest,
            license_source=terms.source,
        )

    async def put_back(self, artifact: Artifact, older: Sequence[Older] = ()) -> None:
        """Register *artifact* and its *older* revisions as they were; their blobs are in place.

        Raises NotFoundError, DiskError.
        """
        revisions = [artifact, *(each.artifact for each in older)]
        async with self._change:
            for each in revisions:
                await asyncio.to_thread(self._folders.ensure, each)
            await self._artifacts.switch(artifact, older)
            await asyncio.to_thread(self._folders.keep_only, artifact.model, revisions)
        self._events.publish(ArtifactAdded(artifact.model, artifact))

    async def settle_folder(self, model: str) -> None:
        """Make the folder of *model* hold what the registry says, after a kill between the two."""
        async with self._change:
            known = next((artifact for artifact in await self._artifacts.list() if artifact.model == model), None)
            if known is None:
                await asyncio.to_thread(self._folders.remove, model)
            else:
                older = [each.artifact for each in await self._artifacts.older(model)]
                await asyncio.to_thread(self._folders.ensure, known)
                await asyncio.to_thread(self._folders.keep_only, model, [known, *older])

    async def list(self) -> Sequence[Artifact]:
        """All models, by name."""
        return await self._artifacts.list()

    async def get(self, model: str) -> Artifact:
        """One model by its exact name. Raises NotFoundError."""
        return await self._artifacts.get(model)

    async def find(self, name: str) -> Artifact:
        """One model by its name, or by the part before the colon if only one fits.

        Raises NotFoundError; ConflictError when several fit.
        """
        known = {artifact.model: artifact for artifact in await self._artifacts.list()}
        if name in known:
            return known[name]
        variants = [model for model in known if model.rpartition(":")[:2] == (name, ":")]
        if len(variants) == 1:
            return known[variants[0]]
        if variants:
            message = f"{name} is here in several variants: {', '.join(variants)}"
            raise ConflictError(message, hint="name one of them", details={"choices": variants})
        close = get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "see what is here with `roundhouse models ls`"
        message = f"no model {name} in the library"
        raise NotFoundError(message, hint=hint, details={"close": close})

    def path_of(self, artifact: Artifact, file: ArtifactFile | None = None) -> Path:
        """The file to point a runtime at, or *file* beside it, as long as nobody removes it."""
        return self._folders.path_of(artifact, file)

    def path_to_load(self, artifact: Artifact) -> Path:
        """The file to point a runtime at, put back if somebody removed the link. Blocks for a few calls of stat.

        Raises NotFoundError when the bytes themselves are gone.
        """
        return self._folders.ensure(artifact)

    async def removal(self, model: str) -> tuple[Artifact, int]:
        """What removing *model* would take away, and the bytes it would free. Raises NotFoundError."""
        artifact = await self._artifacts.get(model)
        others = await self._referenced(without=model)
        held = [artifact, *(each.artifact for each in await self._artifacts.older(model))]
        digests = {file.digest for each in held for file in each.files if file.digest not in others}
        # Each revision has a folder of its own, where its files have names beside their blobs.
        names = Counter(file.digest for each in held for file in each.files)
        sizes = [await asyncio.to_thread(self.blobs.own_size, digest, names[digest]) for digest in digests]
        return artifact, sum(sizes)

    async def remove(self, model: str) -> int:
        """Let go of *model* and its older revisions; the bytes that this freed. Blobs of other models stay.

        Raises NotFoundError.
        """
        async with self._change:
            older = [each.artifact for each in await self._artifacts.older(model)]
            artifact = await self._artifacts.remove(model)
            await asyncio.to_thread(self._folders.remove, model)
            freed = await self._collect([file.digest for each in (artifact, *older) for file in each.files])
        self._events.publish(ArtifactRemoved(model))
        return freed

    async def verify(self, model: str, *, quick: bool = False) -> VerifyReport:
        """Read every byte of *model* again, or only what can be seen at a glance; files side by side.

        Raises NotFoundError, DiskError; what is wrong with the bytes is in the report.
        """
        artifact = await self._artifacts.get(model)
        start = self._clock.monotonic()
        files = await self._look(artifact.files, quick=quick)
        seal, problem = await self.seal_of(artifact)
        report = VerifyReport(model, files, (self._clock.monotonic() - start) * 1000, quick, seal, problem)
        if report.ok and not quick:
            await asyncio.to_thread(self._folders.ensure, artifact)
            await self._artifacts.mark_verified(model, self._clock.now())
        self._events.publish(ArtifactVerified(model, report.ok, quick))
        return report

    async def seal_of(self, artifact: Artifact) -> tuple[Seal, str | None]:
        """What the signature of *artifact* is worth, and what is wrong with it."""
        if artifact.source == _BUNDLED:
            return Seal(), None
        try:
            return await asyncio.to_thread(self._seals.check, artifact.files, self.blobs.path_of), None
        except VerifyError as error:
            return Seal(), error.message

    async def _look(self, files: Sequence[ArtifactFile], *, quick: bool) -> tuple[FileReport, ...]:
        """Look at all of them, as many at a time as there are processors to hash them."""
        places = asyncio.Semaphore(os.cpu_count() or 1)

        async def look(file: ArtifactFile) -> FileReport:
            async with places:
                return await self._integrity.look(file, quick=quick)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(look(file)) for file in files]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return tuple(task.result() for task in tasks)

    async def quarantined(self) -> Collection[Digest]:
        """The blobs that were found wrong and could not be repaired: a model with one of them cannot run."""
        return await asyncio.to_thread(self.blobs.quarantined)

    @contextmanager
    def leased(self, digests: Collection[Digest]) -> Iterator[None]:
        """Keep the blobs of *digests* while a transfer counts on them."""
        self._leased.update(digests)
        try:
            yield
        finally:
            self._leased.subtract(digests)
            self._leased = +self._leased

    async def sweep(self, digests: Collection[Digest]) -> int:
        """Delete those blobs of *digests* that no model and no transfer needs; bytes freed."""
        async with self._change:
            return await self._collect(digests)

    async def _collect(self, candidates: Collection[Digest], *, own: int = 0) -> int:
        """Delete those of *candidates* that no model and no transfer needs, *own* leases aside; bytes freed."""
        leased = {digest for digest, count in self._leased.items() if count > own}
        needed = await self._referenced() | leased
        freed = await asyncio.to_thread(self.blobs.remove_unreferenced, candidates, needed)
        await self._artifacts.drop_fingerprints(set(candidates) - needed)
        return freed

    def in_flight(self) -> frozenset[Digest]:
        """Digests that transfers count on now."""
        return frozenset(self._leased)

    async def referenced(self) -> set[Digest]:
        """Digests that models need."""
        return await self._referenced()

    async def _referenced(self, *, without: str | None = None) -> set[Digest]:
        held = [*await self._artifacts.list(), *(each.artifact for each in await self._artifacts.older())]
        return {file.digest for known in held if known.model != without for file in known.files}
