"""What the library holds, as the embedded runtime wants it: ready to load, at hand without waiting for the registry."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import structlog

from roundhouse.backends.llamacpp.resident import LoadableModel
from roundhouse.core.artifacts import Artifact
from roundhouse.core.errors import RoundhouseError
from roundhouse.library.library import Library

_log = structlog.get_logger("roundhouse.shelf")


class Shelf:
    """The loadable models, as of the last time the library was looked at."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._models: Sequence[LoadableModel] = ()

    def models(self) -> Sequence[LoadableModel]:
        """All of them."""
        return self._models

    async def restock(self) -> None:
        """Look at the library again. Raises what the registry raises."""
        artifacts = await self._library.list()
        self._models = await asyncio.to_thread(lambda: tuple(self._loadable(artifacts)))

    def _loadable(self, artifacts: Sequence[Artifact]) -> Iterator[LoadableModel]:
        for artifact in artifacts:
            try:
                path = self._library.path_to_load(artifact)
            except RoundhouseError as error:
                _log.warning("a model cannot be loaded", model=artifact.model, reason=error.message)
                continue
            yield LoadableModel(
                name=artifact.model,
                path=path,
                size=artifact.size,
                context=artifact.context,
                has_chat_template=artifact.has_chat_template,
                architecture=artifact.architecture,
            )
