from dataclasses import replace
from pathlib import Path

from roundhouse.app.desks import views
from roundhouse.app.shelf import Shelf
from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, FileName
from roundhouse.core.events import ArtifactAdded, ArtifactRemoved, Events
from roundhouse.library import Library
from roundhouse.library.admission import LicenseRules
from roundhouse.testing.builders import an_artifact
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.licenses import MemoryLicenses
from roundhouse.testing.memory import MemoryArtifacts
from roundhouse.upkeep.admission import LicenseBook


async def a_library(root: Path, *artifacts: Artifact) -> Library:
    """A library that holds *artifacts*."""
    registry = MemoryArtifacts()
    library = Library(root, registry, Events(), FakeClock())
    library.blobs.path_of(Digest("0" * 64)).parent.mkdir(parents=True)
    library.blobs.path_of(Digest("0" * 64)).write_bytes(b"x")
    for artifact in artifacts:
        file = ArtifactFile(FileName("model"), 1, Digest("0" * 64))
        await registry.add(replace(artifact, files=(file,)))
    return library


async def test_only_what_llama_cpp_loads_is_on_the_shelf(tmp_path: Path) -> None:
    """The others are held for backends that may come."""
    held = replace(an_artifact("held"), format="safetensors")
    book = LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock())
    shelf = Shelf(await a_library(tmp_path, an_artifact("tiny"), held), book)
    assert {"held": "safetensors"} == await shelf.restock()
    assert ["tiny"] == [model.name for model in shelf.models()]


def test_what_is_only_held_says_so() -> None:
    """A GGUF model without a deployment is a matter of moments."""
    held = replace(an_artifact("held"), format="mlx")
    assert "held; no backend here serves mlx" == views.held(held, ()).unserved
    assert views.held(an_artifact("tiny"), ()).unserved is None


async def test_what_the_library_says_is_on_the_shelf_at_once(tmp_path: Path) -> None:
    """Whoever loads right after a switch loads the new revision."""
    library = await a_library(tmp_path, an_artifact("tiny"))
    shelf = Shelf(library, LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock()))
    await shelf.restock()
    newer = replace(an_artifact("tiny"), context=8192)
    shelf.heard(ArtifactAdded("tiny", newer))
    assert [(8192, library.path_of(newer))] == [(model.context, model.path) for model in shelf.models()]
    shelf.heard(ArtifactRemoved("tiny"))
    assert () == shelf.models()


async def test_what_is_known_of_its_weights_is_on_the_shelf_too(tmp_path: Path) -> None:
    """So that the same weights elsewhere are recognised."""
    artifact = replace(an_artifact("tiny"), ref="hf:acme/tiny-GGUF@main:Q4_K_M", quantization="Q4_K_M", parameters=7)
    shelf = Shelf(await a_library(tmp_path, artifact), LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock()))
    await shelf.restock()
    traits = shelf.models()[0].traits
    assert ("acme/tiny-GGUF", "0" * 64, "Q4_K_M", 7) == (
        traits.repo,
        traits.digest,
        traits.quantization,
        traits.parameters,
    )
