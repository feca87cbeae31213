"""The port `Artifacts`: one suite over the fake and over both databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from roundhouse.core.artifacts import Artifact, Fingerprint, Older
from roundhouse.core.errors import NotFoundError, RoundhouseError
from roundhouse.core.ports import Artifacts
from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.database import Database
from roundhouse.testing.builders import NOON, a_file, an_artifact
from roundhouse.testing.memory import MemoryArtifacts


@pytest.fixture
def artifacts(database: Database | None) -> Artifacts:
    """Each of them, empty."""
    return MemoryArtifacts() if database is None else SqlArtifacts(database)


async def test_gives_back_what_was_added(artifacts: Artifacts) -> None:
    """Every fact of an artifact survives, its files in their order."""
    artifact = an_artifact("acme/big", a_file("b-2-of-2.gguf", 2**40), a_file("b-1-of-2.gguf", 1))
    await artifacts.add(artifact)
    assert artifact == await artifacts.get("acme/big")


async def test_keeps_what_is_unknown_unknown(artifacts: Artifacts) -> None:
    """Facts that nobody knows come back as None."""
    bare = Artifact("m", "./m.gguf", "file", "1", (a_file(),), "gguf", NOON)
    await artifacts.add(bare)
    assert bare == await artifacts.get("m")


async def test_replaces_an_artifact_of_the_same_name(artifacts: Artifacts) -> None:
    """The second of a name takes the place of the first, files and all."""
    await artifacts.add(an_artifact("m", a_file("old.gguf"), a_file("older.gguf")))
    newer = replace(an_artifact("m", a_file("new.gguf")), revision="1" * 40)
    await artifacts.add(newer)
    assert [newer] == list(await artifacts.list())


async def test_lists_by_name(artifacts: Artifacts) -> None:
    """The order is that of the names, the same on every database."""
    names = ["b/x", "B/x", "a-x", "a/x", "ä/x", "a_x"]
    for name in names:
        await artifacts.add(an_artifact(name))
    assert sorted(names) == [artifact.model for artifact in await artifacts.list()]


async def test_removes_and_returns(artifacts: Artifacts) -> None:
    """What is removed is returned, and gone."""
    await artifacts.add(an_artifact("m"))
    assert an_artifact("m") == await artifacts.remove("m")
    assert [] == list(await artifacts.list())


def an_older(model: str, name: str, *, after_s: float = 0.0) -> Older:
    """A revision that served until some seconds after noon."""
    return Older(an_artifact(model, a_file(name)), NOON + timedelta(seconds=after_s))


async def test_a_switch_changes_both_at_once(artifacts: Artifacts) -> None:
    """The new one is served, and of the older ones exactly those are kept that were named; the last comes first."""
    await artifacts.switch(an_artifact("m", a_file("c")), [an_older("m", "a")])
    await artifacts.switch(an_artifact("other"), [an_older("other", "x")])
    kept = [an_older("m", "b", after_s=2.0), an_older("m", "a", after_s=1.0)]
    await artifacts.switch(an_artifact("m", a_file("d")), kept[::-1])
    assert an_artifact("m", a_file("d")) == await artifacts.get("m")
    assert kept == list(await artifacts.older("m"))
    assert 3 == len(await artifacts.older())


async def test_replacing_leaves_older_revisions_alone(artifacts: Artifacts) -> None:
    """Only a switch is about them."""
    await artifacts.switch(an_artifact("m"), [an_older("m", "a")])
    await artifacts.add(an_artifact("m", a_file("b")))
    assert [an_older("m", "a")] == list(await artifacts.older("m"))


async def test_older_revisions_go_with_their_model(artifacts: Artifacts) -> None:
    """And with no other."""
    for model in ("m", "n"):
        await artifacts.switch(an_artifact(model), [an_older(model, "a")])
    await artifacts.remove("m")
    assert [an_older("n", "a")] == list(await artifacts.older())


async def test_notes_when_every_byte_was_right(artifacts: Artifacts) -> None:
    """A verification changes its own fact and nothing else."""
    await artifacts.add(an_artifact("m"))
    await artifacts.mark_verified("m", NOON)
    assert replace(an_artifact("m"), verified_at=NOON) == await artifacts.get("m")


def a_fingerprint(name: str = "model.gguf", chunks: int = 3) -> Fingerprint:
    """The chunks of one blob."""
    digests = tuple(a_file(f"{name} {number}").digest for number in range(chunks))
    return Fingerprint(a_file(name).digest, 2**40, 2**62, 2**39, digests)


@pytest.mark.parametrize("chunks", [0, 1, 7000])
async def test_gives_back_fingerprints(artifacts: Artifacts, chunks: int) -> None:
    """Every chunk in its place, and nothing about blobs that nobody has read."""
    await artifacts.put_fingerprint(a_fingerprint(chunks=chunks))
    assert a_fingerprint(chunks=chunks) == await artifacts.fingerprint(a_file().digest)
    assert await artifacts.fingerprint(a_file("other").digest) is None


async def test_a_fingerprint_takes_the_place_of_an_older_one(artifacts: Artifacts) -> None:
    """The last one counts."""
    await artifacts.put_fingerprint(a_fingerprint())
    newer = replace(a_fingerprint(), modified_ns=1)
    await artifacts.put_fingerprint(newer)
    assert [newer] == list(await artifacts.fingerprints())


async def test_fingerprints_are_dropped_one_by_one(artifacts: Artifacts) -> None:
    """The others stay; what nobody knows is no error."""
    for name in ("a", "b"):
        await artifacts.put_fingerprint(a_fingerprint(name))
    await artifacts.drop_fingerprints([a_file("a").digest, a_file("nobody").digest])
    await artifacts.drop_fingerprints([])
    assert [a_fingerprint("b")] == list(await artifacts.fingerprints())


@pytest.mark.parametrize("call", ["get", "remove"])
async def test_refuses_an_unknown_name(artifacts: Artifacts, call: str) -> None:
    """A name that nobody added is an error that says so."""
    with pytest.raises(NotFoundError, match="'nobody/nothing'"):
        await getattr(artifacts, call)("nobody/nothing")


async def test_does_not_verify_an_unknown_name(artifacts: Artifacts) -> None:
    """Nothing is noted about what is not there."""
    with pytest.raises(NotFoundError):
        await artifacts.mark_verified("nobody/nothing", NOON)


async def test_registers_all_or_none(artifacts: Artifacts) -> None:
    """Several come at once; when one of them cannot be, none is."""
    good = [an_artifact("a"), an_artifact("b")]
    await artifacts.add_all(good)
    if isinstance(artifacts, SqlArtifacts):
        broken = replace(an_artifact("c"), ref=None)  # type: ignore[arg-type]
        with pytest.raises(RoundhouseError):
            await artifacts.add_all([replace(good[0], revision="1" * 40), broken])
    assert good == list(await artifacts.list())


async def test_the_list_is_never_behind(artifacts: Artifacts) -> None:
    """Every change is in the next list, however often it was asked for before."""
    for model in ("b", "a"):
        await artifacts.add(an_artifact(model))
        assert model in {artifact.model for artifact in await artifacts.list()}
    await artifacts.mark_verified("a", NOON)
    assert NOON == (await artifacts.list())[0].verified_at
    await artifacts.remove("a")
    assert ["b"] == [artifact.model for artifact in await artifacts.list()]


async def test_changes_while_it_is_listed(artifacts: Artifacts) -> None:
    """What was read before a change is not remembered after it."""
    changes = [artifacts.add(an_artifact(f"m{number}")) for number in range(8)]
    await asyncio.gather(*(each for change in changes for each in (artifacts.list(), change, artifacts.list())))
    assert len(await artifacts.list()) == 8
