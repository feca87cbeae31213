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
from difflib import get_close_matches
from pathlib import Path

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, Plan
from roundhouse.core.clock import Clock
from roundhouse.core.errors import ConflictError, NotFoundError, SchemaError
from roundhouse.core.events import ArtifactAdded, ArtifactRemoved, Events
from roundhouse.core.ports import Artifacts
from roundhouse.library.admission import terms_of
from roundhouse.library.blobs import Blobs
from roundhouse.library.chunks import CHUNK_BYTES, Piece
from roundhouse.library.folders import Folders
from roundhouse.library.formats import Facts, describe
from roundhouse.library.infirmary import Infirmary
from roundhouse.library.integrity import FileReport, Integrity, VerifyReport


class Library:
    """The artifacts below one root, and their registry."""

    def __init__(
        self, root: Path, artifacts: Artifacts, events: Events, clock: Clock, *, chunk_bytes: int = CHUNK_BYTES
    ) -> None:
        self.root = root
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

        Raises SchemaError when a file is not what it says it is (nothing is registered then), DiskError.
        """
        async with self._change:
            try:
                facts = await asyncio.to_thread(describe, files, self.blobs.path_of)
            except SchemaError:
                await self._collect([file.digest for file in files], own=1)
                raise
            artifact = self._artifact(plan, files, facts, name_of)
            previous = [known for known in await self._artifacts.list() if known.model == artifact.model]
            await self._integrity.record(files)
            await asyncio.to_thread(self._folders.ensure, artifact)
            await asyncio.to_thread(self.blobs.settle)
            await self._artifacts.add(artifact)
            await self._collect([file.digest for known in previous for file in known.files])
            await asyncio.to_thread(self.blobs.discharge, [file.digest for file in files])
        self._events.publish(ArtifactAdded(artifact.model))
        return artifact

    async def adopt(self, artifacts: Sequence[Artifact], fresh: Collection[Digest] = ()) -> None:
        """Register models whose blobs are in place, all of them or none; every byte of *fresh* was just hashed.

        What their files say about themselves is believed, not what *artifacts* say. Raises SchemaError, NotFoundError.
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
            await asyncio.to_thread(self._make_folders, hashed)
            await self._collect([file.digest for known in previous for file in known.files])
            await asyncio.to_thread(self.blobs.discharge, list(fresh))
        for artifact in artifacts:
            self._events.publish(ArtifactAdded(artifact.model))

    def _examined(self, artifact: Artifact) -> Artifact:
        """*artifact*, described by its own files. Raises SchemaError, NotFoundError."""
        for file in artifact.files:
            if not self.blobs.has(file.digest) or self.blobs.size(file.digest) != file.size:
                message = f"{artifact.model}: the bytes of {file.name} are not here"
                raise NotFoundError(message, hint=f"pull it again: `roundhouse pull {artifact.ref}`")
        facts = describe(artifact.files, self.blobs.path_of)
        return replace(
            artifact,
            format=facts.format,
            architecture=facts.architecture,
            quantization=facts.quantization,
            context=facts.context,
            parameters=facts.parameters,
            has_chat_template=facts.has_chat_template,
        )

    def _make_folders(self, artifacts: Sequence[Artifact]) -> None:
        """Make folders ready to load; one that cannot be made now is made when its model is asked for."""
        for artifact in artifacts:
            with suppress(OSError, NotFoundError):
                self._folders.ensure(artifact)

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

    def path_to_load(self, artifact: Artifact) -> Path:
        """The file to point a runtime at, put back if somebody removed the link. Blocks for a few calls of stat.

        Raises NotFoundError when the bytes themselves are gone.
        """
        return self._folders.ensure(artifact)

    async def removal(self, model: str) -> tuple[Artifact, int]:
        """What removing *model* would take away, and the bytes it would free. Raises NotFoundError."""
        artifact = await self._artifacts.get(model)
        others = await self._referenced(without=model)
        return artifact, sum({file.digest: file.size for file in artifact.files if file.digest not in others}.values())

    async def remove(self, model: str) -> int:
        """Let go of *model*; the bytes that this freed. Blobs of other models stay. Raises NotFoundError."""
        async with self._change:
            artifact = await self._artifacts.remove(model)
            await asyncio.to_thread(self._folders.remove, model)
            freed = await self._collect([file.digest for file in artifact.files])
        self._events.publish(ArtifactRemoved(model))
        return freed

    async def verify(self, model: str, *, quick: bool = False) -> VerifyReport:
        """Read every byte of *model* again, or only what can be seen at a glance; files side by side.

        Raises NotFoundError, DiskError; what is wrong with the bytes is in the report.
        """
        artifact = await self._artifacts.get(model)
        start = self._clock.monotonic()
        files = await self._look(artifact.files, quick=quick)
        report = VerifyReport(model, files, (self._clock.monotonic() - start) * 1000, quick)
        if report.ok and not quick:
            await asyncio.to_thread(self._folders.ensure, artifact)
            await self._artifacts.mark_verified(model, self._clock.now())
        return report

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

    async def _referenced(self, *, without: str | None = None) -> set[Digest]:
        return {file.digest for known in await self._artifacts.list() if known.model != without for file in known.files}
