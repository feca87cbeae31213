"""What every `Management` promises about models that go out and come in, and about those that ought to be here."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.contract.conftest import NAME

from roundhouse.core.desks.exchange import Import, ImportReport
from roundhouse.core.errors import ConflictError, NotFoundError, RoundhouseError, SchemaError, VerifyError
from roundhouse.core.management import Management


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    """*data* as it comes."""
    for begin in range(0, len(data), 100_000):
        yield data[begin : begin + 100_000]


async def bundled(management: Management) -> bytes:
    """The one model, packed."""
    bundle = await management.bundle([NAME])
    data = b"".join([chunk async for chunk in bundle.chunks])
    assert (bundle.size, bundle.models) == (len(data), (NAME,))
    return data


async def exported(management: Management) -> Any:
    """The registry."""
    return json.loads(await management.export_registry([]))


def states(report: ImportReport) -> dict[str, str]:
    """What became of each model."""
    return {model.name: model.state for model in report.models}


async def test_out_and_in_again_is_the_same(management: Management) -> None:
    """Also when the model was removed in between: then its bytes come out of the bundle."""
    before, bundle = await management.export_registry([]), await bundled(management)
    assert {NAME: "unchanged"} == states(await management.import_registry(before, Import()))
    await management.remove_model(NAME, dry_run=False)
    assert {NAME: "added"} == states(await management.import_bundle(pieces(bundle), Import()))
    assert before == await management.export_registry([NAME])


async def test_what_is_not_here_is_listed(management: Management) -> None:
    """It is not registered, and the reference that would bring it is told."""
    document = await exported(management)
    document["artifacts"][0] |= {"name": "acme/away", "ref": "hf:acme/away:Q4_K_M", "revision": "c0ffee"}
    document["artifacts"][0]["files"][0]["digest"] = "0" * 64
    (model,) = (await management.import_registry(json.dumps(document).encode(), Import())).models
    assert ("acme/away", "missing", "hf:acme/away@c0ffee:Q4_K_M") == (model.name, model.state, model.fetch)
    assert {NAME} == {each.name for each in await management.models() if each.local}


async def test_what_is_not_here_is_fetched(management: Management, gone: str) -> None:
    """A pull of it is started when that is asked for."""
    document = await exported(management)
    document["artifacts"][0] |= {"name": "acme/away", "ref": gone}
    document["artifacts"][0]["files"][0]["digest"] = "0" * 64
    (model,) = (await management.import_registry(json.dumps(document).encode(), Import(fetch=True))).models
    assert model.transfer is not None
    assert "acme/away" == (await management.cancel_transfer(model.transfer)).model


async def test_conflicts(management: Management) -> None:
    """They stop everything unless a policy says what to do; a dry run tells the same and does nothing."""
    await management.import_registry(await management.export_registry([]), Import())
    document = await exported(management)
    twin = {**document["artifacts"][0], "name": "acme/twin"}
    document["artifacts"] = [twin, {**twin, "name": NAME, "files": [{**twin["files"][0], "name": "other.gguf"}]}]
    changed = json.dumps(document).encode()
    with pytest.raises(ConflictError, match=NAME):
        await management.import_registry(changed, Import())
    expected = {"acme/twin": "added", f"{NAME}-2": "added"}
    assert expected == states(await management.import_registry(changed, Import("keep-both", dry_run=True)))
    assert {NAME} == {each.name for each in await management.models() if each.local}
    assert expected == states(await management.import_registry(changed, Import("keep-both")))
    assert {NAME, *expected} == {each.name for each in await management.models() if each.local}


async def test_what_is_no_registry(management: Management) -> None:
    """The error names the JSON path, and nothing has changed."""
    document = await exported(management)
    document["artifacts"][0]["files"][0]["digest"] = "xyz"
    with pytest.raises(SchemaError, match=r"\$\.artifacts\[0\]\.files\[0\]\.digest"):
        await management.import_registry(json.dumps(document).encode(), Import())


async def test_what_is_no_bundle(management: Management) -> None:
    """Cut off, damaged or something else: refused, and nothing has changed."""
    bundle, before = await bundled(management), await management.export_registry([])
    with pytest.raises(VerifyError):
        await management.import_bundle(pieces(bundle.rstrip(b"\0")[:-10]), Import())
    for wrong in (b"x" * 2000, bytes(2000), b"", bundle + b"x"):
        with pytest.raises(RoundhouseError) as raised:
            await management.import_bundle(pieces(wrong), Import())
        assert raised.value.status < 500
    assert before == await management.export_registry([])


async def test_names_that_are_not_here(management: Management) -> None:
    """They are NotFoundError; a bundle of nothing is SchemaError."""
    for attempt in (management.export_registry, management.bundle):
        with pytest.raises(NotFoundError):
            await attempt(["nobody"])
    with pytest.raises(SchemaError):
        await management.bundle([])


async def test_what_is_here_is_ensured(management: Management) -> None:
    """What is declared by its name is found, and nothing is done; twice."""
    (model,) = await management.models()
    declared = json.dumps({"models": [{"ref": model.ref, "name": NAME}]}).encode()
    for _ in range(2):
        report = await management.ensure(declared, dry_run=False)
        assert [("present", "none")] == [(each.state, each.action) for each in report.models]
        assert report.complete


async def test_what_is_declared_is_said_of_it(management: Management) -> None:
    """Pins and tags; a dry run says nothing."""
    (model,) = await management.models()
    declared = json.dumps({"models": [{"ref": model.ref, "name": NAME, "pin": True, "tags": ["Edge"]}]}).encode()
    await management.ensure(declared, dry_run=True)
    assert not (await management.model(NAME)).pinned
    await management.ensure(declared, dry_run=False)
    marked = await management.model(NAME)
    assert (True, ("edge",)) == (marked.pinned, marked.tags)


async def test_what_is_missing_is_pulled(management: Management, gone: str) -> None:
    """A dry run starts nothing; a second real one joins the first."""
    declared = json.dumps({"models": [{"ref": gone, "name": "acme/away"}]}).encode()
    (dry,) = (await management.ensure(declared, dry_run=True)).models
    (first,) = (await management.ensure(declared, dry_run=False)).models
    (second,) = (await management.ensure(declared, dry_run=False)).models
    assert [("pending", "pull", None), ("pending", "pull", first.transfer)] == [
        (each.state, each.action, each.transfer) for each in (dry, second)
    ]
    await management.cancel_transfer(str(first.transfer))


async def test_what_is_no_declaration(management: Management) -> None:
    """The error names the JSON path."""
    with pytest.raises(SchemaError, match=r"\$\.models\[0\]"):
        await management.ensure(b'{"models": [{"ref": "nonsense"}]}', dry_run=False)
