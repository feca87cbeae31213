from dataclasses import replace
from pathlib import Path

import pytest

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
from roundhouse.testing.runtime import NOISE_FILE
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


async def test_how_a_model_is_built_is_read_once(tmp_path: Path) -> None:
    """Its bytes do not change; what was read stays known when the file has gone since."""
    library = await a_library(tmp_path, an_artifact("tiny"))
    path = library.path_to_load((await library.list())[0])
    path.write_bytes(NOISE_FILE.read_bytes())
    shelf = Shelf(library, LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock()))
    await shelf.restock()
    known = shelf.models()[0].shape
    path.write_bytes(b"something else")
    await shelf.restock()
    assert known is not None
    assert (64, 378, 2) == (known.width, known.vocabulary, sum(many for _, many in known.layers))
    assert known is shelf.models()[0].shape


async def test_a_file_that_is_no_model_has_no_shape(tmp_path: Path) -> None:
    """It is on the shelf all the same: loading it says what is wrong."""
    shelf = Shelf(
        await a_library(tmp_path, an_artifact("tiny")), LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock())
    )
    await shelf.restock()
    assert [None] == [model.shape for model in shelf.models()]


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("hf:acme/tiny-GGUF:Q4_K_M", "acme/tiny-GGUF"),
        ("hf:acme/tiny-GGUF@0f3c", "acme/tiny-GGUF"),
        ("hf:acme/tiny", "acme/tiny"),
        ("ollama:tiny:latest", None),
        ("bundled:noise", None),
    ],
)
async def test_where_the_weights_came_from_is_told(tmp_path: Path, ref: str, expected: str | None) -> None:
    """By the hub's own name of the repository."""
    library = await a_library(tmp_path, replace(an_artifact("tiny"), ref=ref))
    shelf = Shelf(library, LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock()))
    await shelf.restock()
    traits = shelf.models()[0].traits
    assert (expected, "0" * 64, 1) == (traits.repo, traits.digest, traits.size)
