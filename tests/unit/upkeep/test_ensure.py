import json
from dataclasses import replace

import pytest
from tests.unit.upkeep.conftest import Bench
from tests.unit.upkeep.test_pull_admission import guarded, under_gemma

from roundhouse.core.artifacts import Artifact
from roundhouse.core.desks.ensure import EnsuredModel
from roundhouse.core.errors import SchemaError
from roundhouse.core.marks import Mark, Tag
from roundhouse.library.admission import LicenseRules
from roundhouse.library.marking import Marking
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.licenses import MemoryLicenses
from roundhouse.testing.marks import MemoryMarks
from roundhouse.upkeep.admission import LicenseBook
from roundhouse.upkeep.ensure import LARGEST, Ensuring, Means
from roundhouse.upkeep.repair import Repairs

REF = "hf:acme/tiny"


def means_of(bench: Bench) -> Means:
    """Everything that ensuring takes."""
    book = LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock())
    repairs = Repairs(bench.library, bench.pulls.supply(), FakeClock())
    return Means(bench.library, bench.pulls, repairs, Marking(MemoryMarks()), book)


async def ensure(bench: Bench, *models: dict[str, object], dry_run: bool = False) -> list[EnsuredModel]:
    """Declare models, and wait for the pulls that this began."""
    document = json.dumps({"models": models}).encode()
    report = await Ensuring(means_of(bench)).ensure(document, dry_run=dry_run)
    for model in report.models:
        if model.transfer is not None:
            await bench.jobs.wait(model.transfer)
    return list(report.models)


def told(models: list[EnsuredModel]) -> list[tuple[str, str]]:
    """State and action of each."""
    return [(model.state, model.action) for model in models]


async def test_what_is_missing_is_pulled_once(bench: Bench) -> None:
    """The second run finds it, and changes nothing."""
    assert [("pending", "pull")] == told(await ensure(bench, {"ref": REF}))
    before = (await bench.library.list(), len(await bench.pulls.list()))
    assert [("present", "none")] == told(await ensure(bench, {"ref": REF}))
    assert before == (await bench.library.list(), len(await bench.pulls.list()))


async def test_a_dry_run_begins_nothing(bench: Bench) -> None:
    """It tells what would be done."""
    (model,) = await ensure(bench, {"ref": REF}, dry_run=True)
    assert ("pending", "pull", None) == (model.state, model.action, model.transfer)
    assert [] == list(await bench.pulls.list())


async def damage(bench: Bench) -> Artifact:
    """Bring a model, and let its bytes rot."""
    await ensure(bench, {"ref": REF})
    (artifact,) = await bench.library.list()
    path = bench.library.blobs.path_of(artifact.files[0].digest)
    path.write_bytes(bytes(path.stat().st_size))
    return artifact


async def test_damaged_bytes_are_repaired_at_once(bench: Bench) -> None:
    """And no pull is begun for them; a dry run only tells."""
    artifact, pulls = await damage(bench), len(await bench.pulls.list())
    assert [("pending", "restore")] == told(await ensure(bench, {"ref": REF}, dry_run=True))
    (model,) = await ensure(bench, {"ref": REF})
    assert ("present", "none", True) == (model.state, model.action, model.reason.endswith("it was repaired"))
    assert pulls == len(await bench.pulls.list())
    assert (await bench.library.verify(artifact.model)).ok


async def test_what_cannot_be_repaired_is_pulled(bench: Bench) -> None:
    """Its source is asked again."""
    await damage(bench)
    bench.make(offline=True)
    (model,) = await ensure(bench, {"ref": REF})
    assert ("failed", "E_OFFLINE") == (model.state, (model.error or {}).get("code"))


async def test_pins_and_tags_are_put_on_what_is_here(bench: Bench) -> None:
    """Beside those that it has; a word that is not said changes nothing."""
    await ensure(bench, {"ref": REF, "name": "mine"})
    means = means_of(bench)
    await means.marking.tag("mine", {Tag("old")}, ())
    for wish in ({"pin": True, "tags": ["new"]}, {}):
        document = json.dumps({"models": [{"ref": REF, "name": "mine", **wish}]}).encode()
        await Ensuring(means).ensure(document, dry_run=False)
    assert Mark(pinned=True, tags=(Tag("new"), Tag("old"))) == means.marking.of("mine")


@pytest.mark.parametrize(("agrees", "expected"), [(True, "pending"), (False, "failed")])
async def test_a_licence_is_accepted_where_that_is_declared(bench: Bench, *, agrees: bool, expected: str) -> None:
    """On behalf of whoever asks."""
    book = guarded(bench)
    under_gemma(bench)
    means = replace(means_of(bench), licenses=book)
    document = json.dumps({"models": [{"ref": REF, "accept_license": agrees}]}).encode()
    report = await Ensuring(means, by="ada").ensure(document, dry_run=False)
    assert [expected] == [model.state for model in report.models]
    assert agrees == bool(means.licenses.agreed)


async def test_another_revision_is_an_update(bench: Bench) -> None:
    """The exact one is asked for; where it is here nothing is done."""
    await ensure(bench, {"ref": REF, "name": "mine"})
    assert [("present", "none")] == told(await ensure(bench, {"ref": REF, "revision": "1"}))
    (model,) = await ensure(bench, {"ref": REF, "name": "mine", "revision": "c0ffee"}, dry_run=True)
    assert ("pending", "update") == (model.state, model.action)
    await ensure(bench, {"ref": REF, "name": "mine", "revision": "c0ffee"})
    assert ["hf:acme/tiny@c0ffee"] == [each.ref for each in await bench.library.list()]


async def test_what_is_here_unread_is_read(bench: Bench) -> None:
    """A model that was never verified is verified now."""
    await ensure(bench, {"ref": REF})
    (artifact,) = await bench.library.list()
    await bench.artifacts.add(replace(artifact, verified_at=None))
    (model,) = await ensure(bench, {"ref": REF})
    assert "here, and every byte was read again" == model.reason
    assert (await bench.library.get(artifact.model)).verified_at is not None


async def test_one_failure_keeps_nobody_else_away(bench: Bench) -> None:
    """What is in the way of one is told, and the others come."""
    await ensure(bench, {"ref": "hf:acme/other", "name": "taken"})
    models = await ensure(bench, {"ref": REF, "name": "taken"}, {"ref": "ollama:tiny"}, {"ref": REF})
    assert ["failed", "failed", "pending"] == [model.state for model in models]
    assert ["E_CONFLICT", "E_SCHEMA"] == [(model.error or {}).get("code") for model in models[:2]]


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (b'{"models": [{}]}', "$.models[0]"),
        (b'{"models": [{"ref": "hf:a/b", "pinn": true}]}', "$.models[0]"),
        (b'{"models": [{"ref": "nonsense"}]}', "$.models[0]"),
        (b'{"models": [{"ref": "hf:a/b", "name": "../x"}]}', "$.models[0]"),
        (b'{"models": [{"ref": "hf:a/b", "revision": "\\u0000"}]}', "$.models[0].revision"),
        (b'{"models": [{"ref": "hf:a/b"}, {"ref": "hf:a/b@x"}]}', "$.models[1]"),
        (b'{"models": 7}', "$.models"),
        (b'{"models": [{"ref": "hf:a/b", "tags": ["no tag"]}]}', "$.models[0]"),
        (b'{"models": [], "version": 2}', "$.version"),
        (b"[" * 10_000, "$"),
    ],
)
async def test_what_does_not_fit_is_named(bench: Bench, document: bytes, path: str) -> None:
    """The error says where, and nothing is begun."""
    with pytest.raises(SchemaError) as raised:
        await Ensuring(means_of(bench)).ensure(document, dry_run=False)
    assert path == raised.value.details["path"]


async def test_a_declaration_that_is_too_large(bench: Bench) -> None:
    """It is not looked at."""
    with pytest.raises(SchemaError):
        await Ensuring(means_of(bench)).ensure(bytes(LARGEST + 1), dry_run=True)
