"""Two libraries, and what goes from one to the other."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, FileName, Plan
from roundhouse.core.desks.exchange import Bundle
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.library.exchange import Exchange
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.memory import MemoryArtifacts


class House:
    """One library and its way out and in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.library = Library(root, MemoryArtifacts(), Events(), FakeClock())
        self.exchange = Exchange(self.library)

    def put(self, data: bytes) -> Digest:
        """Put a blob in place."""
        digest = Digest(hashlib.sha256(data).hexdigest())
        path = self.library.blobs.path_of(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return digest

    async def add(self, model: str, data: bytes | None = None) -> Artifact:
        """Add a model of one file."""
        data = a_gguf(model.encode().ljust(400)) if data is None else data
        file = ArtifactFile(FileName("model.gguf"), len(data), self.put(data))
        return await self.library.add_from_transfer(Plan(f"hf:{model}", "hf", model, "c0ffee", (), "mit"), [file])

    async def models(self) -> list[str]:
        """The names of what is here."""
        return [each.model for each in await self.library.list()]

    def leftovers(self) -> list[str]:
        """Files that belong to no model."""
        return [path.name for path in self.root.glob("imports/*")] + [path.name for path in self.root.glob("blobs/*")]


@pytest.fixture
def house(tmp_path: Path) -> Callable[[str], House]:
    """Open a library below a folder of that name."""
    return lambda name: House(tmp_path / name)


@pytest.fixture
def here(house: Callable[[str], House]) -> House:
    """The one that models leave."""
    return house("here")


@pytest.fixture
def there(house: Callable[[str], House]) -> House:
    """The one that they come to."""
    return house("there")


async def in_pieces(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    """*data* as it comes over a wire."""
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


async def whole(bundle: Bundle) -> bytes:
    """All bytes of a bundle."""
    return b"".join([chunk async for chunk in bundle.chunks])


async def packed(house: House, names: Sequence[str]) -> bytes:
    """A bundle as a file holds it."""
    return await whole(await house.exchange.pack(names))
