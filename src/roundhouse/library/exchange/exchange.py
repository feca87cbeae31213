"""The models of a library going out and coming in. Knows nothing about HTTP, and nothing about how bytes are fetched.

Nothing is registered before everything has been looked at, and then all of it is, in one transaction.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

from roundhouse.core.artifacts import Artifact, Digest
from roundhouse.core.desks.exchange import Bundle, Import
from roundhouse.core.errors import DiskError, SchemaError, VerifyError
from roundhouse.core.marks import MOST_TAGS, Mark
from roundhouse.library.exchange import document, tar
from roundhouse.library.exchange.intake import Intake, Part, disk_errors
from roundhouse.library.exchange.merge import Verdict, arrange
from roundhouse.library.library import Library
from roundhouse.library.marking import Marking

MANIFEST = "manifest.json"
_BLOCK = 1 << 20


class Exchange:
    """The way out of one library and into it; *min_free* bytes of its disk stay free.

    With *marking*, pins and tags go along.
    """

    def __init__(self, library: Library, *, min_free: int = 0, marking: Marking | None = None) -> None:
        self._library, self._min_free, self._marking = library, min_free, marking
        self._folder = library.root / "imports"
        #: Bytes that imports under way have still to write.
        self._promised = 0

    def tidy(self) -> None:
        """Remove what imports left that were killed. Blocks; for the start, when none can be under way."""
        shutil.rmtree(self._folder, ignore_errors=True)

    async def export(self, names: Sequence[str]) -> bytes:
        """The registry as a document: all models, or those named. Raises NotFoundError, ConflictError."""
        return self._written(await self._named(names) if names else await self._library.list())

    async def take(self, given: bytes, how: Import) -> Sequence[Verdict]:
        """Register the models of a document whose bytes are here.

        Raises SchemaError, ConflictError, VerifyError, DiskError; then nothing was registered.
        """
        coming = await asyncio.to_thread(document.read, given)
        with self._library.leased(_sizes(coming.artifacts)):
            verdicts = arrange(coming.artifacts, await self._library.list(), how.on_conflict)
            verdicts = await asyncio.to_thread(lambda: [self._reachable(each) for each in verdicts])
            await self._register(coming, verdicts, how)
        return verdicts

    async def pack(self, names: Sequence[str]) -> Bundle:
        """The tar of these models. Raises NotFoundError, SchemaError when none is named, VerifyError."""
        if not names:
            message = "a bundle needs the name of a model"
            raise SchemaError(message, hint="see what is here with `roundhouse models ls`")
        artifacts = await self._named(names)
        sizes = _sizes(artifacts)
        await asyncio.to_thread(self._look, sizes)
        manifest = self._written(artifacts)
        members = [
            tar.Member(MANIFEST, len(manifest)),
            *(tar.Member(_path(each), sizes[each]) for each in sorted(sizes)),
        ]
        chunks = self._packed(manifest, sizes)
        return Bundle(tar.whole_size(members), tuple(each.model for each in artifacts), chunks)

    async def unpack(self, chunks: AsyncIterator[bytes], how: Import) -> Sequence[Verdict]:
        """Take in a tar and register its models.

        Raises SchemaError, VerifyError, ConflictError, DiskError; then nothing was registered, and nothing is left.
        """
        tape = tar.Tape(chunks)
        coming = await _manifest(tape)
        sizes = _sizes(coming.artifacts)
        lacking: frozenset[Digest] = frozenset()
        try:
            with self._library.leased(sizes):
                verdicts = arrange(coming.artifacts, await self._library.list(), how.on_conflict)
                lacking = await asyncio.to_thread(self._lacking, verdicts)
                async with self._promise(sum(sizes[digest] for digest in lacking)):
                    await self._receive(tape, sizes, frozenset() if how.dry_run else lacking)
                await self._register(coming, verdicts, how, fresh=lacking)
        finally:
            await self._library.sweep(lacking)  # those that no model needs: what was landed for one that was refused
        return verdicts

    async def _receive(self, tape: tar.Tape, sizes: Mapping[Digest, int], kept: frozenset[Digest]) -> None:
        """Read the tar to its end, and put what is *kept* in its place when all of it was right."""
        intake = Intake(self._folder / uuid4().hex, self._library.blobs)
        left = {_path(digest): digest for digest in sizes}
        try:
            while (member := await tape.member()) is not None:
                digest = left.pop(member.name, None)
                if digest is None or member.size != sizes[digest]:
                    raise _unlisted(member)
                part = await asyncio.to_thread(intake.begin, digest, keep=digest in kept)
                await _pour(tape, member, part)
            await tape.finish()
            if left:
                message = f"the bundle lacks {next(iter(left))}, which its manifest names"
                raise SchemaError(message)
            await asyncio.to_thread(intake.land)
        finally:
            await asyncio.to_thread(intake.clear)

    async def _register(
        self,
        coming: document.Contents,
        verdicts: Sequence[Verdict],
        how: Import,
        fresh: frozenset[Digest] = frozenset(),
    ) -> None:
        wanted = [each.artifact for each in verdicts if each.wanted]
        if how.dry_run:
            return
        if wanted:
            await self._library.adopt(wanted, fresh)
        for each, verdict in zip(coming.artifacts, verdicts, strict=True):
            if each.model in coming.marks and (verdict.wanted or verdict.state == "unchanged"):
                await self._mark(verdict.artifact.model, coming.marks[each.model])

    async def _mark(self, model: str, mark: Mark) -> None:
        """Say about a model what was said where it comes from; nothing that is said here is taken back."""
        if self._marking is not None:
            if mark.pinned:
                await self._marking.pin(model, pinned=True)
            if mark.tags:
                known = self._marking.of(model).tags
                await self._marking.tag(model, mark.tags[: MOST_TAGS - len({*known} - {*mark.tags})], ())

    def _written(self, artifacts: Sequence[Artifact]) -> bytes:
        marking = self._marking
        marks = None if marking is None else {artifact.model: marking.of(artifact.model) for artifact in artifacts}
        return document.write(artifacts, marks)

    async def _named(self, names: Sequence[str]) -> list[Artifact]:
        found = [await self._library.find(name) for name in names]
        return list({artifact.model: artifact for artifact in found}.values())

    def _reachable(self, verdict: Verdict) -> Verdict:
        """The same, or that some of its bytes are not here."""
        if not verdict.wanted or not self._lacking([verdict]):
            return verdict
        return replace(verdict, state="missing", reason="its bytes are not here")

    def _lacking(self, verdicts: Sequence[Verdict]) -> frozenset[Digest]:
        """The bytes that are to be registered and are not here."""
        sizes = _sizes([each.artifact for each in verdicts if each.wanted])
        blobs = self._library.blobs
        return frozenset(
            digest for digest, size in sizes.items() if not blobs.has(digest) or blobs.size(digest) != size
        )

    def _look(self, sizes: Mapping[Digest, int]) -> None:
        """Refuse to pack what is not whole. Raises VerifyError."""
        for digest, size in sizes.items():
            if not self._library.blobs.has(digest) or self._library.blobs.size(digest) != size:
                message = f"the file with the sha256 {digest[:16]}… is not whole any more"
                raise VerifyError(message, hint="find the damage with `roundhouse models verify`")

    @asynccontextmanager
    async def _promise(self, needed: int) -> AsyncIterator[None]:
        """Reserve room. Raises DiskError when there is not enough."""
        free = await asyncio.to_thread(self._free)
        lacking = needed + self._promised + self._min_free - free
        if needed and lacking > 0:
            message = f"{needed:,} bytes are needed, {free:,} are free, {self._min_free:,} must stay free"
            raise DiskError(message, hint=f"free {lacking:,} bytes, or lower library.min_free")
        self._promised += needed
        try:
            yield
        finally:
            self._promised -= needed

    def _free(self) -> int:
        with disk_errors():
            self._library.root.mkdir(parents=True, exist_ok=True)
            return shutil.disk_usage(self._library.root).free

    async def _packed(self, manifest: bytes, sizes: Mapping[Digest, int]) -> AsyncIterator[bytes]:
        """The bytes of the tar. Raises VerifyError when a file is not what it was."""
        with self._library.leased(sizes):
            yield tar.header(tar.Member(MANIFEST, len(manifest))) + manifest + tar.padding(len(manifest))
            written = tar.BLOCK + len(manifest) + len(tar.padding(len(manifest)))
            for digest in sorted(sizes):
                yield tar.header(tar.Member(_path(digest), sizes[digest]))
                async for block in self._checked(digest):
                    yield block
                yield tar.padding(sizes[digest])
                written += tar.BLOCK + sizes[digest] + len(tar.padding(sizes[digest]))
            yield tar.end(written)

    async def _checked(self, digest: Digest) -> AsyncIterator[bytes]:
        """The bytes of one blob; the last of them only when all were right. Raises VerifyError."""
        found, held = hashlib.sha256(), b""
        with await asyncio.to_thread(self._library.blobs.path_of(digest).open, "rb", 0) as file:
            while block := await asyncio.to_thread(file.read, _BLOCK):
                await asyncio.to_thread(found.update, block)
                if held:
                    yield held
                held = block
        if found.hexdigest() != digest:
            message = f"the file with the sha256 {digest[:16]}… has other bytes now"
            raise VerifyError(message, hint="find the damage with `roundhouse models verify`")
        yield held


async def _manifest(tape: tar.Tape) -> document.Contents:
    """What the tar holds, told by its first file. Raises SchemaError, VerifyError."""
    member = await tape.member()
    if member is None or member.name != MANIFEST or member.size > document.LARGEST:
        message = f"the first file of a bundle is a {MANIFEST} of {document.LARGEST:,} bytes at most"
        raise SchemaError(message, hint="make a bundle with `roundhouse models bundle`")
    manifest = await tape.exactly(member.size)
    await tape.skip_padding(member.size)
    return await asyncio.to_thread(document.read, manifest)


async def _pour(tape: tar.Tape, member: tar.Member, part: Part) -> None:
    try:
        async for block in tape.parts(member.size, _BLOCK):
            await asyncio.to_thread(part.write, block)
        await tape.skip_padding(member.size)
        await asyncio.to_thread(part.finish)
    finally:
        part.close()


def _sizes(artifacts: Sequence[Artifact]) -> dict[Digest, int]:
    return {file.digest: file.size for artifact in artifacts for file in artifact.files}


def _path(digest: Digest) -> str:
    return f"blobs/sha256-{digest}"


def _unlisted(member: tar.Member) -> SchemaError:
    message = f"the manifest of the bundle does not list {member.name} with {member.size:,} bytes, or lists it once"
    return SchemaError(message)
