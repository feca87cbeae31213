from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.app.cards import Cards
from roundhouse.app.desks import views
from roundhouse.app.shelf import Shelf
from roundhouse.backends.llamacpp.config import Adapter, Extras
from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, FileName
from roundhouse.core.events import ArtifactAdded, ArtifactRemoved, Events
from roundhouse.core.inference import Capability
from roundhouse.library import Library
from roundhouse.library.admission import LicenseRules
from roundhouse.testing.builders import an_artifact
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.licenses import MemoryLicenses
from roundhouse.testing.memory import MemoryArtifacts
from roundhouse.testing.runtime import NOISE_FILE
from roundhouse.upkeep.admission import LicenseBook


async def a_library(root: Path, *artifacts: Artifact, content: bytes = b"x") -> Library:
    """A library that holds *artifacts*."""
    registry = MemoryArtifacts()
    library = Library(root, registry, Events(), FakeClock())
    library.blobs.path_of(Digest("0" * 64)).parent.mkdir(parents=True)
    library.blobs.path_of(Digest("0" * 64)).write_bytes(content)
    for artifact in artifacts:
        file = ArtifactFile(FileName("model"), 1, Digest("0" * 64))
        await registry.add(replace(artifact, files=(file,)))
    return library


async def test_only_what_llama_cpp_loads_is_on_the_shelf(tmp_path: Path) -> None:
    """The others are held for backends that may come."""
    held = replace(an_artifact("held"), format="safetensors")
    book = LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock())
    shelf = Shelf(await a_library(tmp_path, an_artifact("tiny"), held), book, Cards(tmp_path / "cards.json"))
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
    shelf = Shelf(library, LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock()), Cards(tmp_path / "cards.json"))
    await shelf.restock()
    newer = replace(an_artifact("tiny"), context=8192)
    shelf.heard(ArtifactAdded("tiny", newer))
    assert [(8192, library.path_of(newer))] == [(model.context, model.path) for model in shelf.models()]
    shelf.heard(ArtifactRemoved("tiny"))
    assert () == shelf.models()


async def test_what_is_known_of_its_weights_is_on_the_shelf_too(tmp_path: Path) -> None:
    """So that the same weights elsewhere are recognised."""
    artifact = replace(an_artifact("tiny"), ref="hf:acme/tiny-GGUF@main:Q4_K_M", quantization="Q4_K_M", parameters=7)
    shelf = Shelf(
        await a_library(tmp_path, artifact),
        LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock()),
        Cards(tmp_path / "cards.json"),
    )
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
    shelf = Shelf(library, LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock()), Cards(tmp_path / "cards.json"))
    await shelf.restock()
    known = shelf.models()[0].shape
    path.write_bytes(b"something else")
    await shelf.restock()
    assert known is not None
    assert (64, 378, 2) == (known.width, known.vocabulary, sum(many for _, many in known.layers))
    assert known is shelf.models()[0].shape


async def test_a_file_that_is_no_model_has_no_shape(tmp_path: Path) -> None:
    """It is on the shelf all the same: loading it says what is wrong."""
    book = LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock())
    shelf = Shelf(await a_library(tmp_path, an_artifact("tiny")), book, Cards(tmp_path / "cards.json"))
    await shelf.restock()
    assert [None] == [model.shape for model in shelf.models()]


async def test_what_was_read_of_a_model_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    """That its header could not be read, too: when it comes again it may be whole."""
    library = await a_library(tmp_path, an_artifact("tiny"))
    artifact = (await library.list())[0]
    shelf = Shelf(library, LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock()), Cards(tmp_path / "cards.json"))
    await shelf.restock()
    await library.remove("tiny")
    await shelf.restock()
    blob = library.blobs.path_of(Digest("0" * 64))
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(NOISE_FILE.read_bytes())
    await library.put_back(artifact)
    await shelf.restock()
    assert [(True, True)] == [(model.shape is not None, bool(model.abilities)) for model in shelf.models()]


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
    shelf = Shelf(library, LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock()), Cards(tmp_path / "cards.json"))
    await shelf.restock()
    traits = shelf.models()[0].traits
    assert (expected, "0" * 64, 1) == (traits.repo, traits.digest, traits.size)


async def test_what_a_header_says_is_read_once_and_outlives_the_process(tmp_path: Path) -> None:
    """The second shelf knows the moment it hears of the model, without a look at the file."""
    content = a_gguf(tokenizer__chat_template="{% if tools %}{{ tools }}{% endif %}")
    library = await a_library(tmp_path, an_artifact("tiny"), content=content)
    book = LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock())
    await Shelf(library, book, Cards(tmp_path / "cards.json")).restock()
    library.blobs.path_of(Digest("0" * 64)).unlink()
    cards = Cards(tmp_path / "cards.json")
    cards.open()
    shelf = Shelf(library, book, cards)
    shelf.heard(ArtifactAdded("tiny", (await library.list())[0]))
    assert [True] == [Capability.TOOLS in model.abilities for model in shelf.models()]


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"rules": 0, "abilities": {"0": ["tools"]}}', b'{"rules": 1}'])
def test_what_was_remembered_badly_is_read_again(tmp_path: Path, damage: bytes) -> None:
    """It is only a memory: also that of other rules."""
    (tmp_path / "cards.json").write_bytes(damage)
    cards = Cards(tmp_path / "cards.json")
    cards.open()
    assert frozenset() == cards.known(an_artifact("tiny", ArtifactFile(FileName("model"), 1, Digest("0" * 64))))


async def test_a_projector_comes_along(tmp_path: Path) -> None:
    """The child is told where it is, under its own name beside the weights."""
    content = a_gguf(tokenizer__chat_template="{{ messages }}")
    library = await a_library(tmp_path, an_artifact("tiny"), content=content)
    artifact = (await library.list())[0]
    eyes = a_gguf(architecture="clip", clip__has_vision_encoder=True)
    library.blobs.path_of(Digest("1" * 64)).write_bytes(eyes)
    artifact = replace(artifact, files=(*artifact.files, ArtifactFile(FileName("mmproj.gguf"), 1, Digest("1" * 64))))
    await library.put_back(artifact)
    shelf = Shelf(library, LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock()), Cards(tmp_path / "cards.json"))
    await shelf.restock()
    [model] = shelf.models()
    assert (True, str(model.path.parent / "mmproj.gguf")) == (
        Capability.VISION in model.abilities,
        model.extras.projector,
    )
    assert eyes == (model.path.parent / "mmproj.gguf").read_bytes()


async def test_a_model_gets_the_adapters_and_the_draft_that_it_is_given(tmp_path: Path) -> None:
    """They count as what it takes; the draft is another model of the library."""
    adapter = tmp_path / "style.gguf"
    adapter.write_bytes(bytes(100))
    library = await a_library(tmp_path, an_artifact("large"), an_artifact("small"))
    book, cards = LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock()), Cards(tmp_path / "cards.json")
    lora = [("large", adapter, 0.5), ("gone", adapter, 1.0)]
    shelf = Shelf(library, book, cards, lora=lora, drafts={"large": "small", "gone": "small"})
    await shelf.restock()
    large, small = shelf.models()
    assert Extras(None, (Adapter(str(adapter), 0.5),), str(small.path)) == large.extras
    assert (frozenset({"adapter"}), frozenset()) == (large.traits.extras, small.traits.extras)
    assert (Extras(), 102, 1, ()) == (small.extras, large.size, small.size, large.warnings)
    adapter.write_bytes(bytes(99))
    await shelf.restock()
    assert (True, None) == (large.traits.variant not in {None, shelf.models()[0].traits.variant}, small.traits.variant)


async def test_models_of_several_files_are_told_apart_by_all_of_them(tmp_path: Path) -> None:
    """No digest of one file says that another one changed; what was answered before must not come back."""
    library = await a_library(tmp_path, an_artifact("tiny"))
    first = replace(
        (await library.list())[0],
        files=tuple(ArtifactFile(FileName(f"{n}.gguf"), 1, Digest(str(n) * 64)) for n in range(2)),
    )
    second = replace(first, files=(first.files[0], replace(first.files[1], digest=Digest("2" * 64))))
    shelf = Shelf(library, LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock()), Cards(tmp_path / "cards.json"))
    names = []
    for artifact in (first, second):
        shelf.heard(ArtifactAdded("tiny", artifact))
        names.append(shelf.models()[0].traits.variant)
    assert (True, False) == (names[0] != names[1], None in names)


async def test_a_draft_that_is_not_here_is_told(tmp_path: Path) -> None:
    """The model is served without: it only takes longer."""
    library = await a_library(tmp_path, an_artifact("large"))
    book, cards = LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock()), Cards(tmp_path / "cards.json")
    shelf = Shelf(library, book, cards, drafts={"large": "small"})
    await shelf.restock()
    [large] = shelf.models()
    assert (None, ("its draft small is not in the library",)) == (large.extras.draft, large.warnings)
