"""Who serves a house in memory, and what is in its memory. Knows nothing about settings: every name is free to take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from roundhouse.core.desks.roster import InMemory, Retired
from roundhouse.core.errors import ConflictError, NotFoundError
from roundhouse.core.views import BackendStatus, ModelDetail
from roundhouse.testing.desks.builders import a_backend


class InMemoryRoster:
    """Who serves."""

    catalog: list[ModelDetail]
    runtimes: list[BackendStatus]

    async def add_backend(self, name: str, section: Mapping[str, object]) -> BackendStatus:
        """Take one in. Raises ConflictError."""
        for index, known in enumerate(self.runtimes):
            if known.name == name and known.url is not None and not known.configured:
                self.runtimes[index] = replace(known, configured=True, added=True)
                return self.runtimes[index]
        if any(each.name == name for each in self.runtimes):
            message = f"there is a backend {name} already"
            raise ConflictError(message)
        url, kind = section.get("url"), section.get("kind", "openai-compatible")
        added = replace(
            a_backend(name), url=None if url is None else str(url), kind=str(kind), deployments=0, added=True
        )
        self.runtimes.append(added)
        return added

    async def remove_backend(self, name: str) -> Retired:
        """Let go of one. Raises NotFoundError, ConflictError."""
        for known in self.runtimes:
            if known.name == name:
                if not known.added:
                    message = f"{name} was not added"
                    raise ConflictError(message)
                self.runtimes.remove(known)
                return Retired(name, ())
        message = f"no backend {name}"
        raise NotFoundError(message)

    async def load_model(self, name: str, *, context: int | None = None, keep_s: float | None = None) -> InMemory:  # noqa: ARG002
        """Bring a model into memory. Raises NotFoundError."""
        place = self._served_at(name)
        self._note(place, loaded=True)
        return InMemory(place, loaded=True, seconds=0.5)

    async def unload_model(self, name: str) -> tuple[InMemory, ...]:
        """Let go of its weights. Raises NotFoundError."""
        place = self._served_at(name)
        return (InMemory(place, loaded=False, seconds=0.0),) if self._note(place, loaded=False) else ()

    def _served_at(self, name: str) -> str:
        for model in self.catalog:
            if name in {model.name, *model.deployments} and model.deployments:
                return model.deployments[0]
        message = f"nobody serves {name}"
        raise NotFoundError(message)

    def _note(self, place: str, *, loaded: bool) -> bool:
        """Whether that was a change."""
        backend, _, model = place.partition("/")
        for index, known in enumerate(self.runtimes):
            if known.name == backend and (model in known.loaded) != loaded:
                there = (*known.loaded, model) if loaded else tuple(each for each in known.loaded if each != model)
                self.runtimes[index] = replace(known, loaded=there)
                return True
        return False
