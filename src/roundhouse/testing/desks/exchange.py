"""The registry out and in, and declared models, in memory. A bundle is its manifest: there are no bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, FileName
from roundhouse.core.desks.ensure import EnsuredModel, EnsureReport
from roundhouse.core.desks.exchange import Bundle, Import, ImportedModel, ImportReport
from roundhouse.core.errors import NotFoundError, RoundhouseError, SchemaError
from roundhouse.core.views import ModelDetail, ModelFile, TransferView
from roundhouse.library.exchange import Verdict, document, tar
from roundhouse.library.exchange.merge import arrange
from roundhouse.upkeep.ensure import Wish, read
from roundhouse.upkeep.references import pinned, unpinned


class ExchangeInMemory:
    """What a library of the catalogue would answer."""

    catalog: list[ModelDetail]
    rotten: set[str]

    async def start_pull(self, ref: str, name: str | None) -> TransferView:
        """Start, or join: another desk does."""
        raise NotImplementedError

    async def export_registry(self, names: Sequence[str]) -> bytes:
        """Write down the catalogue. Raises NotFoundError."""
        return document.write([_artifact(model) for model in self._chosen(names)])

    async def import_registry(self, document_: bytes, how: Import) -> ImportReport:
        """Register what shares its bytes with a model of the catalogue. Raises SchemaError, ConflictError."""
        held = {file.digest for model in self.catalog for file in model.files}
        verdicts = [
            replace(each, state="missing", reason="its bytes are not here")
            if each.wanted and any(file.digest not in held for file in each.artifact.files)
            else each
            for each in arrange(document.read(document_).artifacts, self._held(), how.on_conflict)
        ]
        return await self._settled(verdicts, how)

    async def bundle(self, names: Sequence[str]) -> Bundle:
        """Pack the manifest. Raises NotFoundError, SchemaError."""
        if not names:
            message = "a bundle needs the name of a model"
            raise SchemaError(message)
        manifest = await self.export_registry(names)
        member = tar.Member("manifest.json", len(manifest))
        packed = tar.header(member) + manifest + tar.padding(len(manifest))
        packed += tar.end(len(packed))

        async def chunks() -> AsyncIterator[bytes]:
            yield packed

        return Bundle(len(packed), tuple(names), chunks())

    async def import_bundle(self, chunks: AsyncIterator[bytes], how: Import) -> ImportReport:
        """Register what the manifest tells. Raises SchemaError, VerifyError, ConflictError."""
        tape = tar.Tape(chunks)
        member = await tape.member()
        if member is None or member.size > document.LARGEST:
            message = "the first file of a bundle is a manifest.json"
            raise SchemaError(message)
        coming = document.read(await tape.exactly(member.size)).artifacts
        await tape.skip_padding(member.size)
        if await tape.member() is not None:
            message = "the manifest of the bundle does not list that"
            raise SchemaError(message)
        await tape.finish()
        return await self._settled(arrange(coming, self._held(), how.on_conflict), how)

    async def ensure(self, document: bytes, *, dry_run: bool, by: str | None = None) -> EnsureReport:  # noqa: ARG002
        """Start to pull what is not in the catalogue, or rotten. Raises SchemaError."""
        models = [await self._ensured(wish, dry_run=dry_run) for wish in read(document)]
        return EnsureReport(tuple(models), dry_run)

    async def _ensured(self, wish: Wish, *, dry_run: bool) -> EnsuredModel:
        for model in self.catalog:
            same = model.name == wish.name if wish.name else unpinned(model.ref or "hf:") == unpinned(wish.ref)
            if same and model.name not in self.rotten:
                marked = replace(model, tags=tuple(sorted({*model.tags, *wish.tags})))
                marked = marked if wish.pin is None else replace(marked, pinned=wish.pin)
                self.catalog[self.catalog.index(model)] = model if dry_run else marked
                return EnsuredModel(wish.ref, model.name, "present", "none", "here and verified")
        try:
            transfer = None if dry_run else (await self.start_pull(wish.wanted, wish.name)).id
        except RoundhouseError as error:
            return EnsuredModel(wish.ref, wish.name, "failed", "none", error.message, error=error.to_dict())
        return EnsuredModel(wish.ref, wish.name, "pending", "pull", "it is not here", transfer)

    async def _settled(self, verdicts: Sequence[Verdict], how: Import) -> ImportReport:
        if not how.dry_run:
            coming = {each.artifact.model: _detail(each.artifact) for each in verdicts if each.wanted}
            self.catalog[:] = [model for model in self.catalog if model.name not in coming] + [*coming.values()]
        return ImportReport(tuple([await self._told(each, how) for each in verdicts]), how.dry_run)

    async def _told(self, verdict: Verdict, how: Import) -> ImportedModel:
        one, missing = verdict.artifact, verdict.state == "missing"
        wanted = pinned(one.ref, one.revision) if missing else None
        pulled = await self.start_pull(wanted, one.model) if wanted and how.fetch and not how.dry_run else None
        transfer = pulled.id if pulled else None
        return ImportedModel(
            one.model, verdict.state, one.ref, one.revision, one.size, verdict.reason, wanted, transfer
        )

    def _held(self) -> list[Artifact]:
        return [_artifact(model) for model in self.catalog if model.local]

    def _chosen(self, names: Sequence[str]) -> list[ModelDetail]:
        held = {model.name: model for model in self.catalog if model.local}
        for name in names:
            if name not in held:
                message = f"no model {name} in the library"
                raise NotFoundError(message, hint="see what is here with `roundhouse models ls`")
        return [held[name] for name in dict.fromkeys(names)] if names else list(held.values())


def _artifact(model: ModelDetail) -> Artifact:
    if model.created_at is None:
        raise NotFoundError
    return Artifact(
        model=model.name,
        ref=model.ref or "hf:made/up",
        source=model.source or "hf",
        revision=model.revision or "0",
        files=tuple(ArtifactFile(FileName(file.name), file.size, Digest(file.digest)) for file in model.files),
        format=model.format or "gguf",
        created_at=model.created_at,
        architecture=model.architecture,
        quantization=model.quantization,
        context=model.context,
        parameters=model.parameters,
        license=model.license,
    )


def _detail(artifact: Artifact) -> ModelDetail:
    return ModelDetail(
        name=artifact.model,
        source=artifact.source,
        ref=artifact.ref,
        revision=artifact.revision,
        format=artifact.format,
        architecture=artifact.architecture,
        quantization=artifact.quantization,
        context=artifact.context,
        parameters=artifact.parameters,
        size=artifact.size,
        license=artifact.license,
        created_at=artifact.created_at,
        deployments=(f"local/{artifact.model}",),
        local=True,
        files=tuple(ModelFile(file.name, file.size, file.digest) for file in artifact.files),
    )
