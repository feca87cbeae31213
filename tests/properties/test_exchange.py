"""What is exported and imported again is the same, and no document or tar does harm."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, FileName, Plan
from roundhouse.core.desks.exchange import Import
from roundhouse.core.errors import RoundhouseError, SchemaError
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.library.exchange import Exchange, document
from roundhouse.testing.builders import an_artifact
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.memory import MemoryArtifacts

words = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,10}(/[A-Za-z0-9]{1,10})?(:[A-Za-z0-9]{1,10})?", fullmatch=True)
counts = st.none() | st.integers(0, 1 << 53)
digests = st.binary(min_size=32, max_size=32).map(lambda raw: Digest(raw.hex()))
instants = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - its bounds are naive
artifacts = st.builds(
    Artifact,
    model=names,
    ref=words.map("hf:{}".format),
    source=words,
    revision=words,
    files=st.lists(
        st.builds(
            ArtifactFile, st.from_regex(r"[a-z0-9]{1,8}\.gguf", fullmatch=True).map(FileName), st.just(5), digests
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda file: file.name,
    ).map(tuple),
    format=words,
    created_at=instants,
    architecture=st.none() | words,
    quantization=st.none() | words,
    context=counts,
    parameters=counts,
    has_chat_template=st.booleans(),
    license=st.none() | words,
)


@given(st.lists(artifacts, max_size=5, unique_by=lambda artifact: artifact.model))
def test_reading_undoes_writing(written: list[Artifact]) -> None:
    """Every fact survives, and writing again gives the same bytes."""
    made = document.write(written)
    assert sorted(written, key=lambda artifact: artifact.model) == list(document.read(made).artifacts)
    assert made == document.write(document.read(made).artifacts)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
fields = st.sampled_from([*json.loads(document.write([an_artifact()]))["artifacts"][0], "other"])


@given(fields, values)
def test_any_field_may_be_anything(field: str, value: object) -> None:
    """A document with one wrong value is read, or refused with the path of it."""
    given_ = json.loads(document.write([an_artifact()]))
    given_["artifacts"][0][field] = value
    with suppress(SchemaError):
        document.read(json.dumps(given_).encode())


@cache
def a_bundle() -> bytes:
    """Two models, packed."""

    async def packed(root: Path) -> bytes:
        library = Library(root, MemoryArtifacts(), Events(), FakeClock())
        for name in ("acme/one", "acme/two"):
            data = a_gguf(name.encode() * 8)
            path = library.blobs.path_of(digest := Digest(sha256(data).hexdigest()))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            file = ArtifactFile(FileName("model.gguf"), len(data), digest)
            await library.add_from_transfer(Plan(f"hf:{name}", "hf", name, "1", ()), [file])
        bundle = await Exchange(library).pack(["acme/one", "acme/two"])
        return b"".join([chunk async for chunk in bundle.chunks])

    with TemporaryDirectory() as folder:
        return asyncio.run(packed(Path(folder)))


places = st.integers(0, 10_240)
#: Where a stretch is taken from, how long it is, and what stands there instead.
changes = st.lists(st.tuples(places, st.integers(0, 600), st.binary(max_size=8) | places), max_size=3)


def changed(data: bytes, wanted: list[tuple[int, int, bytes | int]]) -> bytes:
    """*data* with stretches cut out, overwritten or repeated."""
    for place, length, instead in wanted:
        there = instead if isinstance(instead, bytes) else data[instead : instead + length]
        data = data[:place] + there + data[place + length :]
    return data


@given(st.binary(max_size=2000) | changes.map(lambda wanted: changed(a_bundle(), wanted)), st.integers(1, 700))
def test_no_bytes_do_harm(data: bytes, size: int) -> None:
    """Whatever comes as a tar is taken in whole or refused with an error of ours, and then leaves nothing."""

    async def pieces() -> AsyncIterator[bytes]:
        for begin in range(0, len(data), size):
            yield data[begin : begin + size]

    async def taken(root: Path) -> tuple[int, list[str]]:
        library, status = Library(root / "home", MemoryArtifacts(), Events(), FakeClock()), 0
        try:
            await Exchange(library).unpack(pieces(), Import())
        except RoundhouseError as error:
            status = error.status
        return status, [f"sha256-{file.digest}" for each in await library.list() for file in each.files]

    with TemporaryDirectory() as folder:
        status, held = asyncio.run(taken(Path(folder)))
        assert (status == 0 and held) or (400 <= status < 500 and not held)
        assert sorted(set(held)) == sorted(path.name for path in Path(folder).glob("home/blobs/*"))
        assert [] == list(Path(folder).glob("home/imports/*"))
        assert {"home"} >= {path.name for path in Path(folder).iterdir()}


@given(st.lists(artifacts, max_size=3, unique_by=lambda artifact: artifact.model))
def test_one_digest_has_one_size(written: list[Artifact]) -> None:
    """A document in which it has two is refused."""
    twice = [
        replace(each, files=(*each.files, ArtifactFile(FileName("z.gguf"), 6, each.files[0].digest)))
        for each in written
    ]
    with suppress(SchemaError):
        document.read(document.write(twice))
        assert not twice
