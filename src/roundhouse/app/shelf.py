"""What the library holds, as runtimes here want it: ready to load, at hand without waiting for the registry."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from roundhouse.app.cards import Cards
from roundhouse.backends.llamacpp.config import Adapter, Extras
from roundhouse.backends.llamacpp.loadable import LoadableModel
from roundhouse.backends.llamacpp.shape import Shape, shape_of
from roundhouse.core.artifacts import Artifact
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.events import ArtifactAdded, ArtifactRemoved, Event
from roundhouse.core.runtimes import ModelFolder, Traits
from roundhouse.library.formats import GGUF, MLX
from roundhouse.library.formats.parts import projector_of
from roundhouse.library.gguf import read_outline
from roundhouse.library.library import Library
from roundhouse.upkeep.admission import LicenseBook

_log = structlog.get_logger("roundhouse.shelf")


class Shelf:
    """The models that llama.cpp and MLX can load, as of the last time the library was looked at."""

    def __init__(
        self,
        library: Library,
        book: LicenseBook,
        cards: Cards,
        *,
        lora: Sequence[tuple[str, Path, float]] = (),
        drafts: Mapping[str, str] | None = None,
    ) -> None:
        self._library, self._book, self._cards = library, book, cards
        #: Adapters with the names of the models that they are for; the name of the draft of each model.
        self._lora, self._drafts = lora, drafts or {}
        #: All that may be the draft of another, by name.
        self._held: dict[str, Artifact] = {}
        self._models: Sequence[LoadableModel] = ()
        self._folders: Sequence[ModelFolder] = ()
        #: How models are built, by what tells their bytes apart: each header is read once.
        self._shapes: dict[str, Shape | None] = {}
        #: Goes up whenever something was heard: what was looked up before is no longer so.
        self._heard = 0

    def models(self) -> Sequence[LoadableModel]:
        """All that llama.cpp can load."""
        return self._models

    def folders(self) -> Sequence[ModelFolder]:
        """All that MLX can load."""
        return self._folders

    async def restock(self) -> Mapping[str, str]:
        """Look at the library again; the formats of what is not for here. Raises what the registry raises."""
        await self._book.refresh()
        while True:
            heard, artifacts = self._heard, await self._library.list()
            loadable = await asyncio.to_thread(lambda: tuple(self._loadable(artifacts)))  # noqa: B023 - awaited
            if heard == self._heard:
                self._forget({each.key for each in artifacts})
                # A draft may come behind the model that it is for.
                self._held = {each.model: each for each in artifacts if each.format == GGUF}
                self._models = tuple(self._model(*each) for each in loadable if each[0].format == GGUF)
                self._folders = tuple(self._folder(*each) for each in loadable if each[0].format == MLX)
                return {each.model: each.format for each in artifacts if each.format != GGUF}

    def heard(self, event: Event) -> None:
        """Take up at once what the library says: the next load is of the new revision."""
        if not isinstance(event, ArtifactAdded | ArtifactRemoved):
            return
        self._heard += 1
        artifact = event.artifact if isinstance(event, ArtifactAdded) else None
        self._held.pop(event.model, None)
        others = [model for model in self._models if model.name != event.model]
        if artifact is not None and artifact.format == GGUF:
            self._held[event.model] = artifact
            others.append(self._model(artifact, self._library.path_of(artifact)))
        self._models = tuple(others)
        folders = [folder for folder in self._folders if folder.name != event.model]
        if artifact is not None and artifact.format == MLX:
            folders.append(self._folder(artifact, self._library.path_of(artifact)))
        self._folders = tuple(folders)

    def _forget(self, keys: Collection[str]) -> None:
        """Let go of the headers of all others; another look may be adding some meanwhile."""
        for key in [each for each in list(self._shapes) if each not in keys]:
            self._shapes.pop(key, None)

    def _loadable(self, artifacts: Sequence[Artifact]) -> Iterator[tuple[Artifact, Path]]:
        self._cards.read([artifact for artifact in artifacts if artifact.format == GGUF], self._library.blobs.path_of)
        for artifact in artifacts:
            if artifact.format not in {GGUF, MLX}:
                continue
            try:
                path = self._library.path_to_load(artifact)
            except RoundhouseError as error:
                _log.warning("a model cannot be loaded", model=artifact.model, reason=error.message)
                continue
            if artifact.format == GGUF and artifact.key not in self._shapes:
                self._shapes[artifact.key] = _shape_at(path)
            yield artifact, path

    def _model(self, artifact: Artifact, path: Path) -> LoadableModel:
        draft, warnings = self._draft(artifact)
        extras = self._extras(artifact, draft)
        beside = sum(_stamp(each.path)[0] for each in extras.adapters) + (0 if draft is None else draft.size)
        return LoadableModel(
            name=artifact.model,
            path=path,
            # A projector is among the artifact's own files.
            size=artifact.size + beside,
            context=artifact.context,
            has_chat_template=artifact.has_chat_template,
            architecture=artifact.architecture,
            traits=replace(
                _traits(artifact),
                extras=frozenset({"adapter"} if extras.adapters else ()),
                variant=_variant(artifact, extras.adapters),
            ),
            shape=self._shapes.get(artifact.key),
            barred=self._book.bar(artifact),
            abilities=self._cards.known(artifact),
            extras=extras,
            draft=None if draft is None else self._shapes.get(draft.key),
            warnings=warnings,
        )

    def _draft(self, artifact: Artifact) -> tuple[Artifact | None, tuple[str, ...]]:
        """What writes ahead for *artifact*, and why there is none though there should be."""
        wanted = self._drafts.get(artifact.model)
        draft = self._held.get(wanted or "")
        if wanted is not None and draft is None:
            return None, (f"its draft {wanted} is not in the library",)
        if draft is not None and (bar := self._book.bar(draft)) is not None:
            return None, (f"its draft {wanted} is left out: {bar}",)
        return draft, ()

    def _extras(self, artifact: Artifact, draft: Artifact | None) -> Extras:
        """What *artifact* is loaded with."""
        projector = projector_of(artifact.files)
        return Extras(
            projector=None if projector is None else str(self._library.path_of(artifact, projector)),
            adapters=tuple(Adapter(str(path), scale) for model, path, scale in self._lora if model == artifact.model),
            draft=None if draft is None else str(self._library.path_of(draft)),
        )

    def _folder(self, artifact: Artifact, path: Path) -> ModelFolder:
        return ModelFolder(
            name=artifact.model,
            path=path.parent,
            context=artifact.context,
            has_chat_template=artifact.has_chat_template,
            traits=_traits(artifact),
            barred=self._book.bar(artifact),
        )


def _shape_at(path: Path) -> Shape | None:
    """How the model at *path* is built; ``None`` when its header does not tell. Blocks."""
    try:
        return shape_of(read_outline(path))
    except (RoundhouseError, OSError):
        return None


def _traits(artifact: Artifact) -> Traits:
    """What the library knows of the weights; their digest only where they are one file."""
    return Traits(
        context_max=artifact.context,
        quantization=artifact.quantization,
        parameters=artifact.parameters,
        family=artifact.architecture,
        format=artifact.format,
        size=artifact.size,
        # Plain text, which anybody can write as JSON.
        digest=str(artifact.files[0].digest) if len(artifact.files) == 1 else None,
        repo=_repo(artifact.ref),
        variant=_variant(artifact),
    )


def _repo(ref: str) -> str | None:
    """The hub's repository of ``hf:owner/repo[@revision][:variant]``."""
    scheme, _, rest = ref.partition(":")
    return rest.partition("@")[0].partition(":")[0] or None if scheme == "hf" else None


def _variant(artifact: Artifact, adapters: Sequence[Adapter] = ()) -> str | None:
    """A name for what one digest does not tell, the files of *artifact* and *adapters*; another when any changes."""
    if len(artifact.files) == 1 and not adapters:
        return None
    stamps = [(each.path, each.scale, *_stamp(each.path)) for each in adapters]
    return hashlib.sha256(repr((artifact.key, stamps)).encode()).hexdigest()[:12]


def _stamp(path: str) -> tuple[int, int]:
    """Bytes and time of the file at *path*; nothing where there is none, which whoever loads it finds out."""
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
