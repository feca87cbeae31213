"""A library with models of a few bytes, and what cleans it up."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, FileName, Plan
from roundhouse.core.clock import SystemClock
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.library.marking import Marking
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.marks import MemoryMarks
from roundhouse.testing.memory import MemoryArtifacts, MemoryTransfers
from roundhouse.upkeep.collecting import Collector, CollectorSettings


class Attic:
    """Everything that cleaning up touches."""

    def __init__(self, root: Path) -> None:
        self.clock = SystemClock()
        self.artifacts = MemoryArtifacts()
        self.library = Library(root, self.artifacts, Events(), self.clock)
        self.transfers, self.marking = MemoryTransfers(), Marking(MemoryMarks())
        self.in_use: set[str] = set()
        self.collector = self.make(grace=timedelta(0), aliases={"fast": ["old"]})

    def make(self, **settings: object) -> Collector:
        """One with other settings."""
        chosen = CollectorSettings(**settings)  # type: ignore[arg-type]  # a test says what fits
        return Collector(self.library, self.transfers, self.marking, self.clock, lambda: self.in_use, chosen)

    def put(self, data: bytes, name: str = "model.gguf") -> ArtifactFile:
        """A blob with these bytes."""
        digest = Digest(hashlib.sha256(data).hexdigest())
        path = self.library.blobs.path_of(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return ArtifactFile(FileName(name), len(data), digest)

    async def add(self, model: str, data: bytes | None = None, *, days: int = 0, source: str = "hf") -> Artifact:
        """A model that came long ago and was used some days ago."""
        file = self.put(a_gguf(general__name=model) if data is None else data)
        plan = Plan(f"{source}:{model}", source, model, "c0ffee", ())
        artifact = await self.library.add_from_transfer(plan, [file])
        await self.artifacts.add(replace(artifact, created_at=self.clock.now() - timedelta(days=999)))
        self.marking.used(model, self.clock.now() - timedelta(days=days))
        return artifact

    async def names(self) -> list[str]:
        """What is there."""
        return [artifact.model for artifact in await self.library.list()]

    def files(self) -> set[str]:
        """Every file below the root."""
        return {str(path.relative_to(self.library.root)) for path in self.library.root.rglob("*") if path.is_file()}


@pytest.fixture
def attic(tmp_path: Path) -> Attic:
    """An empty one, where nothing is too young to go."""
    return Attic(tmp_path / "library")
