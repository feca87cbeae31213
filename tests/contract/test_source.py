"""The port `Source`: one suite over the fake, hub, registries, web address, folder and the bundled model."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import roundhouse
from roundhouse.core.artifacts import PlannedFile
from roundhouse.core.errors import NotFoundError
from roundhouse.core.ports import Source
from roundhouse.sources.bundled import NOISE_REF, BundledSource
from roundhouse.sources.folder import FolderSource
from roundhouse.sources.hub import HubSource
from roundhouse.sources.registry import RegistrySource
from roundhouse.sources.web import WebSource
from roundhouse.testing.hub import Hub
from roundhouse.testing.registry import Registry
from roundhouse.testing.registry_push import OLLAMA, Layer, push
from roundhouse.testing.source import ScriptedSource

DATA = Path(roundhouse.__file__).with_name("assets").joinpath("noise.gguf").read_bytes()
SHA256 = hashlib.sha256(DATA).hexdigest()
WEIGHTS = [Layer(f"{OLLAMA}model", DATA)]


@dataclass(frozen=True)
class Case:
    """A source, a reference to *DATA* there, and one to nothing."""

    source: Source
    ref: str
    missing: str


@pytest.fixture(params=["fake", "hub", "registry", "docker-registry", "web", "folder", "bundled"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    """Each of them."""
    (tmp_path / "tiny.gguf").write_bytes(DATA)
    async with Hub() as hub:
        hub.add("acme/tiny", {"tiny.gguf": DATA})
        web = f"{hub.endpoint}/acme/tiny/resolve/main"
        if request.param == "docker-registry":
            url = request.getfixturevalue("docker_registry")
            await push(url, "library/tiny", "1b", WEIGHTS)
            yield Case(RegistrySource(url), "ollama:tiny:1b", "ollama:nothing")
            return
        if request.param == "registry":
            async with Registry() as registry:
                await push(registry.url, "library/tiny", "1b", WEIGHTS)
                yield Case(RegistrySource(registry.url), "ollama:tiny:1b", "ollama:nothing")
            return
        yield {
            "fake": Case(ScriptedSource(DATA), "fake:tiny", "fake:/missing"),
            "hub": Case(HubSource(hub.endpoint), "hf:acme/tiny", "hf:acme/nothing"),
            "web": Case(WebSource(), f"{web}/tiny.gguf#sha256={SHA256}", f"{web}/nothing.gguf#sha256={SHA256}"),
            "folder": Case(FolderSource(), f"file:{tmp_path}/tiny.gguf", f"file:{tmp_path}/nothing.gguf"),
            "bundled": Case(BundledSource(), NOISE_REF, "bundled:nothing"),
        }[request.param]


async def planned(case: Case) -> PlannedFile:
    """The one file behind the reference."""
    (file,) = (await case.source.resolve(case.ref)).files
    return file


async def read(case: Case, file: PlannedFile, offset: int) -> bytes:
    """What the source has from *offset* on, which must be where it begins."""
    async with case.source.open(file, offset) as stream:
        assert (offset, len(DATA)) == (stream.offset, stream.total)
        return b"".join([piece async for piece in stream.chunks])


async def test_a_plan_names_its_source_and_an_exact_revision(case: Case) -> None:
    """Enough to say later where a model came from."""
    plan = await case.source.resolve(case.ref)
    assert case.source.scheme == plan.source
    assert plan.model
    assert plan.revision


async def test_a_plan_promises_what_is_there(case: Case) -> None:
    """The size is right, and the digest too where one is promised."""
    file = await planned(case)
    assert len(DATA) == file.size
    assert file.digest in {None, SHA256}


async def test_the_same_reference_gives_the_same_plan(case: Case) -> None:
    """Nothing has changed in between."""
    assert await case.source.resolve(case.ref) == await case.source.resolve(case.ref)


@pytest.mark.parametrize("offset", [0, 1, 4096, len(DATA) - 1, len(DATA)])
async def test_bytes_come_from_any_offset_on(case: Case, offset: int) -> None:
    """Also from the last one, and from the end, where nothing is left."""
    assert DATA[offset:] == await read(case, await planned(case), offset)


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 1), (0, 5000), (4096, 4096), (len(DATA) - 1, 1), (len(DATA) - 10, 50)]
)
async def test_no_more_bytes_come_than_were_asked_for(case: Case, offset: int, length: int) -> None:
    """A stretch from the beginning, the middle or the end; fewer only where the file ends."""
    async with case.source.open(await planned(case), offset, length) as stream:
        assert (offset, len(DATA)) == (stream.offset, stream.total)
        assert stream.length is not None
        assert DATA[offset : offset + length] == b"".join([piece async for piece in stream.chunks])


async def test_a_stream_can_be_left_early(case: Case) -> None:
    """And another one opened after it."""
    file = await planned(case)
    async with case.source.open(file, 0) as stream:
        await anext(aiter(stream.chunks))
    assert DATA[10:] == await read(case, file, 10)


async def test_what_is_not_there_is_not_found(case: Case) -> None:
    """E_NOTFOUND, from every source."""
    with pytest.raises(NotFoundError):
        await case.source.resolve(case.missing)
