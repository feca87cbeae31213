import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, FileName, Plan
from roundhouse.core.errors import ConflictError, NotFoundError, SchemaError, VerifyError
from roundhouse.core.events import ArtifactAdded, ArtifactRemoved, Event, Events
from roundhouse.library import Library
from roundhouse.library.folders import folder_name
from roundhouse.library.signing import Mode, Seals
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.memory import MemoryArtifacts
from roundhouse.testing.safetensors import a_model_folder
from roundhouse.testing.signing import Signer


@pytest.fixture
def heard() -> list[Event]:
    """What the library told."""
    return []


@pytest.fixture
def library(tmp_path: Path, heard: list[Event]) -> Library:
    """An empty library."""
    events = Events()
    events.subscribe(heard.append)
    return Library(tmp_path, MemoryArtifacts(), events, FakeClock())


def put(library: Library, data: bytes, name: str = "model.gguf") -> ArtifactFile:
    """Place *data* as a transfer would."""
    digest = Digest(hashlib.sha256(data).hexdigest())
    path = library.blobs.path_of(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return ArtifactFile(FileName(name), len(data), digest)


async def add(library: Library, model: str, *contents: bytes) -> Artifact:
    """Add a model whose files hold *contents*."""
    files = [put(library, data, f"{number}.gguf") for number, data in enumerate(contents or (a_gguf(),))]
    return await library.add_from_transfer(a_plan(model), files)


def a_plan(model: str) -> Plan:
    """A plan without files, which the library does not look at."""
    return Plan(f"hf:{model}", "hf", model, "c0ffee", (), license="mit")


def models(artifacts: Sequence[Artifact]) -> list[str]:
    """Their names."""
    return [artifact.model for artifact in artifacts]


async def test_a_model_is_described_by_its_header(library: Library) -> None:
    """Architecture, quantisation, context and size come from the file itself."""
    artifact = await add(library, "acme/tiny:Q4_K_M", a_gguf(bytes(400), tokenizer__chat_template="{{x}}"))
    facts = (artifact.architecture, artifact.quantization, artifact.context, artifact.parameters, artifact.license)
    assert ("llama", "Q4_K_M", 2048, 100, "mit") == facts
    assert artifact.has_chat_template
    assert artifact == await library.get("acme/tiny:Q4_K_M")


async def test_adding_tells_the_others(library: Library, heard: list[Event]) -> None:
    """The event comes once the model is there."""
    await add(library, "tiny")
    assert [ArtifactAdded("tiny")] == heard


async def test_a_file_that_lies_is_not_registered_and_not_kept(library: Library, heard: list[Event]) -> None:
    """Nothing of it remains, and nobody is told."""
    file = put(library, b"GGUF and nothing more")
    with library.leased([file.digest]), pytest.raises(SchemaError):
        await library.add_from_transfer(a_plan("liar"), [file])
    assert ([], [], False) == (list(await library.list()), heard, library.blobs.has(file.digest))


async def test_a_missing_shard_is_refused(library: Library) -> None:
    """A header that speaks of two files needs two files."""
    with pytest.raises(SchemaError, match="split into 2 files, 1 are here"):
        await add(library, "half", a_gguf(split__count=2))


async def test_shards_are_added_up(library: Library) -> None:
    """A model in two files has the parameters of both and is loaded from the first."""
    first, second = a_gguf(bytes(400), split__count=2), a_gguf(bytes(800), split__count=2)
    artifact = await add(library, "split", first, second)
    assert artifact.parameters == 300
    assert library.path_to_load(artifact).read_bytes() == first


async def test_a_name_can_come_from_the_header(library: Library) -> None:
    """What the source could not know is known once the file is here."""
    file = put(library, a_gguf())
    artifact = await library.add_from_transfer(a_plan("tiny"), [file], lambda header: f"tiny:{header.quantization}")
    assert artifact.model == "tiny:Q4_K_M"


async def test_a_new_version_takes_the_place_of_the_old(library: Library) -> None:
    """The old bytes go only after the new ones are registered."""
    old = await add(library, "tiny", a_gguf(bytes(64)))
    new = await add(library, "tiny", a_gguf(bytes(128)))
    assert [new] == list(await library.list())
    assert (False, True) == tuple(library.blobs.has(each.files[0].digest) for each in (old, new))


async def test_find_takes_the_exact_name(library: Library) -> None:
    """An exact name wins over variants."""
    await add(library, "tiny")
    await add(library, "tiny:Q8_0")
    assert (await library.find("tiny")).model == "tiny"


async def test_find_takes_the_only_variant(library: Library) -> None:
    """A repository's name is enough while one of its variants is here."""
    await add(library, "acme/tiny:Q8_0")
    assert (await library.find("acme/tiny")).model == "acme/tiny:Q8_0"


async def test_find_names_the_variants_when_several_fit(library: Library) -> None:
    """Nobody guesses between two."""
    await add(library, "acme/tiny:Q4_0")
    await add(library, "acme/tiny:Q8_0")
    with pytest.raises(ConflictError) as caught:
        await library.find("acme/tiny")
    assert ["acme/tiny:Q4_0", "acme/tiny:Q8_0"] == caught.value.details["choices"]


async def test_find_suggests_what_was_meant(library: Library) -> None:
    """A slip of the finger gets a hint."""
    await add(library, "acme/tiny:Q8_0")
    with pytest.raises(NotFoundError) as caught:
        await library.find("acme/tinny:Q8_0")
    assert caught.value.hint == "did you mean acme/tiny:Q8_0?"


async def test_removing_frees_the_bytes(library: Library, heard: list[Event]) -> None:
    """The model, its folder and its blob are gone, and the others are told."""
    artifact = await add(library, "tiny")
    path = library.path_to_load(artifact)
    planned = await library.removal("tiny")
    assert (artifact, artifact.size) == planned
    assert artifact.size == await library.remove("tiny")
    assert (False, False) == (path.exists(), library.blobs.has(artifact.files[0].digest))
    assert ArtifactRemoved("tiny") in heard


async def test_blobs_that_others_share_stay(library: Library) -> None:
    """Removing one of two equal models frees nothing."""
    await add(library, "one")
    two = await add(library, "two")
    assert (await library.removal("one"))[1] == 0
    assert await library.remove("one") == 0
    assert library.path_to_load(two).exists()


async def test_blobs_that_a_transfer_counts_on_stay(library: Library) -> None:
    """A pull that found a blob here must not lose it to a removal."""
    artifact = await add(library, "tiny")
    with library.leased([artifact.files[0].digest]):
        assert await library.remove("tiny") == 0
    assert library.blobs.has(artifact.files[0].digest)


async def test_removing_what_is_not_there_is_an_error(library: Library) -> None:
    """E_NOTFOUND, and nothing happens."""
    with pytest.raises(NotFoundError):
        await library.remove("nothing")


async def test_verifying_reads_every_byte(library: Library) -> None:
    """A model that is right is marked as verified."""
    artifact = await add(library, "tiny")
    await library._artifacts.add(replace(artifact, verified_at=None))
    report = await library.verify("tiny")
    assert (True, [artifact.files[0].digest]) == (report.ok, [file.actual for file in report.files])
    assert (await library.get("tiny")).verified_at is not None


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "zero"])
async def test_verifying_finds_every_damage(library: Library, damage: str) -> None:
    """A changed, cut, zeroed or missing file is in the report, and not an error."""
    artifact = await add(library, "tiny", a_gguf(b"\x01" * 4096))
    path = library.blobs.path_of(artifact.files[0].digest)
    raw = path.read_bytes()
    damaged = {"flip": raw[:-1] + b"\x00", "truncate": raw[:-1], "zero": bytes(len(raw))}
    if damage == "delete":
        path.unlink()
    else:
        path.write_bytes(damaged[damage])
    report = await library.verify("tiny")
    assert (False, False) == (report.ok, report.files[0].ok)


async def test_the_file_to_load_is_put_back(library: Library) -> None:
    """A link that somebody removed is made again."""
    artifact = await add(library, "tiny")
    library.path_to_load(artifact).unlink()
    assert library.path_to_load(artifact).read_bytes() == a_gguf()


async def test_what_lies_beside_the_weights_is_kept_with_them(library: Library) -> None:
    """A template is no GGUF file, and a projector no shard."""
    weights, projector = a_gguf(bytes(400)), a_gguf(bytes(800), architecture="clip")
    names = {"tiny.gguf": weights, "mmproj-tiny.gguf": projector, "template": b"{{ .Prompt }}"}
    artifact = await library.add_from_transfer(a_plan("tiny"), [put(library, names[name], name) for name in names])
    folder = library.path_to_load(artifact).parent
    assert set(names) == {path.name for path in folder.iterdir()}
    assert (100, "llama") == (artifact.parameters, artifact.architecture)


async def test_safetensors_lie_together_under_their_own_names(library: Library) -> None:
    """As whoever loads them expects."""
    contents = a_model_folder()
    artifact = await library.add_from_transfer(
        a_plan("tiny"), [put(library, contents[name], name) for name in contents]
    )
    folder = library.path_to_load(artifact).parent
    assert contents == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert ("safetensors", 16) == (artifact.format, artifact.parameters)
    assert (await library.verify("tiny", quick=True)).ok


async def test_a_projector_has_to_be_what_it_says_too(library: Library) -> None:
    """Native code would read it."""
    files = [put(library, a_gguf()), put(library, b"no gguf", "mmproj-tiny.gguf")]
    with pytest.raises(SchemaError, match="not a GGUF file"):
        await library.add_from_transfer(a_plan("tiny"), files)
    assert not library.blobs.has(files[0].digest)


async def test_what_another_program_holds_too_is_not_freed(library: Library, tmp_path: Path) -> None:
    """Neither promised nor counted: the bytes stay where they are."""
    artifact = await add(library, "tiny")
    (tmp_path / "theirs").hardlink_to(library.blobs.path_of(artifact.files[0].digest))
    assert (0, 0) == ((await library.removal("tiny"))[1], await library.remove("tiny"))


async def test_a_model_can_be_put_back_as_it_was(library: Library) -> None:
    """Registered anew, with every fact that it had."""
    artifact = replace(await add(library, "tiny"), verified_at=None)
    await library.put_back(artifact)
    assert artifact == await library.get("tiny")


async def test_a_folder_is_settled_as_the_registry_says(library: Library) -> None:
    """Whole for a model that is there, gone for one that is not."""
    artifact = await add(library, "tiny")
    path = library.path_to_load(artifact)
    path.unlink()
    await library.settle_folder("tiny")
    assert path.is_file()
    stray = path.parents[1].with_name(folder_name("stray"))
    stray.mkdir()
    await library.settle_folder("stray")
    assert not stray.exists()


@pytest.mark.parametrize("mode", [Mode.PRESENT, Mode.REQUIRED])
async def test_a_model_with_a_wrong_signature_is_not_registered(tmp_path: Path, mode: Mode) -> None:
    """Nor are its bytes kept."""
    signer = Signer()
    keys = [signer.publish(tmp_path / "key.pub")]
    library = Library(tmp_path / "library", MemoryArtifacts(), Events(), FakeClock(), seals=Seals(mode, keys))
    files = [put(library, a_gguf()), put(library, signer.sign({"model.gguf": b"else"}), "model.sig")]
    with pytest.raises(VerifyError, match="is not the file that was signed"):
        await library.add_from_transfer(a_plan("tiny"), files)
    assert ([], False) == (list(await library.list()), library.blobs.has(files[0].digest))


async def test_verifying_tells_who_signed(tmp_path: Path) -> None:
    """And that it no longer counts once the key is withdrawn."""
    signer, registry = Signer(), MemoryArtifacts()
    key = signer.publish(tmp_path / "key.pub")
    library = Library(tmp_path, registry, Events(), FakeClock(), seals=Seals(Mode.REQUIRED, [key]))
    files = [put(library, a_gguf()), put(library, signer.sign({"model.gguf": a_gguf()}), "model.sig")]
    await library.add_from_transfer(a_plan("tiny"), files)
    assert "key.pub" in ((await library.verify("tiny")).seal.signed_by or "")
    Signer().publish(key)
    report = await library.verify("tiny", quick=True)
    assert (False, True) == (report.ok, "a signature is required" in (report.signature_problem or ""))
