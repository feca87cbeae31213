import io
import json
import tarfile
from contextlib import suppress

import pytest
from tests.unit.library.exchange.conftest import House, in_pieces, packed, whole

from roundhouse.core.desks.exchange import Import, OnConflict
from roundhouse.core.errors import ConflictError, DiskError, NotFoundError, SchemaError, VerifyError
from roundhouse.core.marks import MOST_TAGS, Mark, Tag
from roundhouse.library.exchange import Exchange
from roundhouse.library.marking import Marking
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.marks import MemoryMarks

DRY = Import(dry_run=True)


async def test_a_bundle_brings_models_over(here: House, there: House) -> None:
    """Their registry is the same afterwards, and every byte has been looked at."""
    await here.add("acme/one")
    await here.add("acme/two")
    verdicts = await there.exchange.unpack(in_pieces(await packed(here, ["acme/one", "acme/two"])), Import())
    assert ["added", "added"] == [each.state for each in verdicts]
    assert await here.exchange.export([]) == await there.exchange.export([])
    assert (await there.library.get("acme/one")).verified_at is not None
    assert (await there.library.verify("acme/two")).ok
    assert [] == list(there.root.glob("imports/*"))


async def test_the_same_models_give_the_same_tar(here: House) -> None:
    """Byte for byte, as long as it said beforehand, and any tar can read it."""
    await here.add("acme/one")
    bundle = await here.exchange.pack(["acme/one"])
    data = await whole(bundle)
    assert data == await packed(here, ["acme/one"])
    assert bundle.size == len(data)
    with tarfile.open(fileobj=io.BytesIO(data)) as read:
        assert ["manifest.json", "blobs"] == [name.partition("/")[0] for name in read.getnames()]
        assert {(0, 0, 0)} == {(each.mtime, each.uid, each.gid) for each in read.getmembers()}


async def test_bytes_of_two_models_travel_once(here: House) -> None:
    """A blob that models share is in the bundle once."""
    await here.add("acme/one", a_gguf())
    await here.add("acme/same", a_gguf())
    with tarfile.open(fileobj=io.BytesIO(await packed(here, ["acme/one", "acme/same"]))) as read:
        assert 2 == len(read.getnames())


async def test_a_document_registers_what_is_here(here: House) -> None:
    """A model whose bytes another one holds is registered; one whose bytes are away is told."""
    await here.add("acme/one", a_gguf())
    given = json.loads(await here.exchange.export([]))
    away = {**given["artifacts"][0], "name": "acme/away", "files": [{"name": "a.gguf", "size": 9, "digest": "0" * 64}]}
    given["artifacts"] += [{**given["artifacts"][0], "name": "acme/two"}, away]
    verdicts = await here.exchange.take(json.dumps(given).encode(), Import())
    assert ["unchanged", "added", "missing"] == [each.state for each in verdicts]
    assert ["acme/one", "acme/two"] == await here.models()


async def test_a_dry_import_changes_nothing(here: House, there: House) -> None:
    """It tells the same, and leaves nothing."""
    await here.add("acme/one")
    verdicts = await there.exchange.unpack(in_pieces(await packed(here, ["acme/one"])), DRY)
    assert ["added"] == [each.state for each in verdicts]
    assert ([], []) == (await there.models(), there.leftovers())


@pytest.mark.parametrize(
    ("policy", "states", "names"),
    [
        ("skip", ["skipped"], ["acme/one"]),
        ("keep-both", ["added"], ["acme/one", "acme/one-2"]),
        ("replace", ["replaced"], ["acme/one"]),
    ],
)
async def test_conflicts(here: House, there: House, policy: OnConflict, states: list[str], names: list[str]) -> None:
    """Each policy does what it says; done again it changes nothing more."""
    await here.add("acme/one", a_gguf(b"new!" * 9))
    await there.add("acme/one", a_gguf(b"old!" * 9))
    bundle = await packed(here, ["acme/one"])
    verdicts = await there.exchange.unpack(in_pieces(bundle), Import(policy))
    assert (states, names) == ([each.state for each in verdicts], await there.models())
    before = await there.exchange.export([])
    await there.exchange.unpack(in_pieces(bundle), Import(policy))
    assert before == await there.exchange.export([])


async def test_a_conflict_fails_unless_told_otherwise(here: House, there: House) -> None:
    """Then nothing else of the bundle comes in, either."""
    await here.add("acme/one", a_gguf(b"new!" * 9))
    await here.add("acme/two")
    await there.add("acme/one", a_gguf(b"old!" * 9))
    with pytest.raises(ConflictError, match="acme/one"):
        await there.exchange.unpack(in_pieces(await packed(here, ["acme/one", "acme/two"])), Import())
    assert ["acme/one"] == await there.models()


@pytest.mark.parametrize("where", [0.3, 0.6, 0.9, 0.999])
async def test_a_cut_bundle_leaves_nothing(here: House, there: House, where: float) -> None:
    """However much of it is there."""
    await here.add("acme/one", a_gguf(bytes(40_000)))
    data = await packed(here, ["acme/one"])
    end = data.rstrip(b"\0")
    with pytest.raises(VerifyError):
        await there.exchange.unpack(in_pieces(data[: int(len(end) * where)]), Import())
    assert ([], []) == (await there.models(), there.leftovers())


async def test_a_flipped_bit_leaves_nothing(here: House, there: House) -> None:
    """Wherever it is: in a header, in the manifest, in the bytes. Facts that nobody can check may come in."""
    await here.add("acme/one", a_gguf(bytes(range(256)) * 4))
    data = await packed(here, ["acme/one"])
    refused = 0
    for place in range(0, len(data.rstrip(b"\0")) - 8, 97):
        damaged = data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :]
        with suppress(SchemaError, VerifyError):
            await there.exchange.unpack(in_pieces(damaged), Import())
            await there.library.remove((await there.models())[0])
            continue
        refused += 1
        assert ([], []) == (await there.models(), there.leftovers())
    assert refused >= 20


async def test_rot_is_not_packed(here: House) -> None:
    """The tar of a model whose bytes are wrong has no end."""
    artifact = await here.add("acme/one")
    path = here.library.blobs.path_of(artifact.files[0].digest)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(VerifyError, match="other bytes now"):
        await packed(here, ["acme/one"])
    path.unlink()
    with pytest.raises(VerifyError, match="not whole"):
        await here.exchange.pack(["acme/one"])


async def test_what_runtimes_could_not_load_is_refused(here: House, there: House) -> None:
    """A file that is no model is registered by nobody."""
    await here.add("acme/one", a_gguf())
    given = json.loads(await here.exchange.export([]))
    digest = there.put(b"MZ this is no model")
    given["artifacts"][0]["files"] = [{"name": "model.gguf", "size": 19, "digest": digest}]
    with pytest.raises(SchemaError):
        await there.exchange.take(json.dumps(given).encode(), Import())
    assert [] == await there.models()


async def test_facts_come_from_the_files(here: House) -> None:
    """What a document says about a file is not believed."""
    await here.add("acme/one", a_gguf())
    given = json.loads(await here.exchange.export([]))
    given["artifacts"][0] |= {"name": "acme/two", "context": 1 << 50, "architecture": "huge"}
    await here.exchange.take(json.dumps(given).encode(), Import())
    assert (2048, "llama") == ((got := await here.library.get("acme/two")).context, got.architecture)


async def test_names_that_are_not_here(here: House) -> None:
    """Neither exported nor bundled; a bundle of nothing is none."""
    for attempt in (here.exchange.export, here.exchange.pack):
        with pytest.raises(NotFoundError):
            await attempt(["nobody"])
    with pytest.raises(SchemaError):
        await here.exchange.pack([])


async def test_room_is_looked_for_before(here: House, there: House) -> None:
    """A disk without room takes nothing."""
    await here.add("acme/one")
    tight = Exchange(there.library, min_free=1 << 60)
    with pytest.raises(DiskError, match="must stay free"):
        await tight.unpack(in_pieces(await packed(here, ["acme/one"])), Import())
    assert [] == there.leftovers()


async def test_tidying(there: House) -> None:
    """What a killed import left is gone after the next start."""
    (there.root / "imports" / "x").mkdir(parents=True)
    there.exchange.tidy()
    assert not (there.root / "imports").exists()


async def test_pins_and_tags_go_along(here: House, there: House) -> None:
    """What is said here stays, what was said there is added; without marks they are passed over."""
    await here.add("acme/one")
    ours, theirs = Marking(MemoryMarks()), Marking(MemoryMarks())
    await ours.pin("acme/one", pinned=True)
    await ours.tag("acme/one", {Tag("b"), Tag("a")}, ())
    bundle = await whole(await Exchange(here.library, marking=ours).pack(["acme/one"]))
    await theirs.tag("acme/one", {Tag("c")}, ())
    for _ in range(2):
        await Exchange(there.library, marking=theirs).unpack(in_pieces(bundle), Import())
    assert Mark(pinned=True, tags=(Tag("a"), Tag("b"), Tag("c"))) == theirs.of("acme/one")
    assert ["unchanged"] == [each.state for each in await there.exchange.unpack(in_pieces(bundle), Import())]


async def test_the_most_tags_are_not_exceeded(here: House) -> None:
    """What does not fit any more is left out."""
    await here.add("acme/one")
    marking = Marking(MemoryMarks())
    await marking.tag("acme/one", {Tag(f"t{number:02}") for number in range(31)}, ())
    given = json.loads(await here.exchange.export([]))
    given["artifacts"][0]["tags"] = ["x", "y"]
    await Exchange(here.library, marking=marking).take(json.dumps(given).encode(), Import())
    assert MOST_TAGS == len(marking.of("acme/one").tags)
