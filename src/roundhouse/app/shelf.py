"""What the library holds, as the embedded runtime wants it: ready to load, at hand without waiting for the registry."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import structlog

from roundhouse.backends.llamacpp.resident import LoadableModel
from roundhouse.backends.llamacpp.shape import Shape, shape_of
from roundhouse.core.artifacts import Artifact
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.events import ArtifactAdded, ArtifactRemoved, Event
from roundhouse.core.runtimes import Traits
from roundhouse.library.formats import GGUF
from roundhouse.library.gguf import read_outline
from roundhouse.library.library import Library
from roundhouse.upkeep.admission import LicenseBook

_log = structlog.get_logger("roundhouse.shelf")


class Shelf:
    """The models that llama.cpp can load, as of the last time the library was looked at."""

    def __init__(self, library: Library, book: LicenseBook) -> None:
        self._library, self._book = library, book
        self._models: Sequence[LoadableModel] = ()
        #: How models are built, by what tells their bytes apart: each header is read once.
        self._shapes: dict[str, Shape | None] = {}
        #: Goes up whenever something was heard: what was looked up before is no longer so.
        self._heard = 0

    def models(self) -> Sequence[LoadableModel]:
        """All of them."""
        return self._models

    async def restock(self) -> Mapping[str, str]:
        """Look at the library again; the formats of what is not for here. Raises what the registry raises."""
        await self._book.refresh()
        while True:
            heard, artifacts = self._heard, await self._library.list()
            models = await asyncio.to_thread(lambda: tuple(self._loadable(artifacts)))  # noqa: B023 - awaited
            if heard == self._heard:
                self._models = models
                return {each.model: each.format for each in artifacts if each.format != GGUF}

    def heard(self, event: Event) -> None:
        """Take up at once what the library says: the next load is of the new revision."""
        if not isinstance(event, ArtifactAdded | ArtifactRemoved):
            return
        self._heard += 1
        artifact = event.artifact if isinstance(event, ArtifactAdded) else None
        others = [model for model in self._models if model.name != event.model]
        if artifact is not None and artifact.format == GGUF:
            others.append(self._model(artifact, self._library.path_of(artifact)))
        self._models = tuple(others)

    def _loadable(self, artifacts: Sequence[Artifact]) -> Iterator[LoadableModel]:
        for artifact in artifacts:
            if artifact.format != GGUF:
                continue
            try:
                path = self._library.path_to_load(artifact)
            except RoundhouseError as error:
                _log.warning("a model cannot be loaded", model=artifact.model, reason=error.message)
                continue
            if artifact.key not in self._shapes:
                self._shapes[artifact.key] = _shape_at(path)
            yield self._model(artifact, path)

    def _model(self, artifact: Artifact, path: Path) -> LoadableModel:
        return LoadableModel(
            name=artifact.model,
            path=path,
            size=artifact.size,
            context=artifact.context,
            has_chat_template=artifact.has_chat_template,
            architecture=artifact.architecture,
            traits=_traits(artifact),
            shape=self._shapes.get(artifact.key),
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
        digest=artifact.files[0].digest if len(artifact.files) == 1 else None,
        repo=_repo(artifact.ref),
    )


def _repo(ref: str) -> str | None:
    """The hub's repository of ``hf:owner/repo[@revision][:variant]``."""
    scheme, _, rest = ref.partition(":")
    return rest.partition("@")[0].partition(":")[0] or None if scheme == "hf" else None
