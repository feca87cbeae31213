import asyncio
from dataclasses import replace

import pytest
from tests.unit.upkeep.conftest import CHUNK, Bench

from roundhouse.core.artifacts import FileName, Transfer, TransferState
from roundhouse.core.errors import NetworkError, NotFoundError, OfflineError, RoundhouseError, SchemaError
from roundhouse.library.chunks import read_fingerprint
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.memory import MemoryTransfers
from roundhouse.testing.source import Connection, ScriptedSource


async def names(bench: Bench) -> list[str]:
    """What the library holds."""
    return [artifact.model for artifact in await bench.library.list()]


async def test_a_pull_ends_with_a_registered_model(bench: Bench) -> None:
    """Downloaded, verified, registered, and no plan left."""
    done = (await bench.pull()).transfer
    size = len(bench.source.data)
    assert (TransferState.DONE, size, size, None) == (done.state, done.bytes_total, done.bytes_done, done.error)
    assert ["tiny"] == await names(bench)
    assert [] == list((bench.library.root / "plans").iterdir())


@pytest.mark.parametrize("script", [(), (Connection(cut_after=10_000),)], ids=["at once", "in two parts"])
async def test_the_chunks_of_what_came_are_known(bench: Bench, script: tuple[Connection, ...]) -> None:
    """Nobody has to read the file again for them."""
    bench.source = ScriptedSource(bench.source.data, *script)
    bench.make()
    await bench.pull()
    digest = bench.source.file().digest
    assert digest is not None
    known = await bench.artifacts.fingerprint(digest)
    assert read_fingerprint(bench.library.blobs.path_of(digest), CHUNK) == known


async def test_a_model_can_be_given_a_name(bench: Bench) -> None:
    """The one that was asked for, whatever the source says."""
    await bench.pull(model="mine:v1")
    assert ["mine:v1"] == await names(bench)


async def test_a_hub_model_without_a_quantisation_gets_the_one_of_its_header(bench: Bench) -> None:
    """Variants of a repository have to be told apart."""
    bench.source.scheme = "hf"
    done = await bench.pull("hf:tiny")
    assert (["tiny:Q4_K_M"], "tiny:Q4_K_M") == (await names(bench), done.transfer.model)


async def test_the_same_pull_is_joined_while_it_runs(bench: Bench) -> None:
    """One transfer, one job, one connection."""
    first, second = await asyncio.gather(*(bench.pulls.start("file:/tiny") for _ in range(2)))
    await bench.jobs.wait(first.id)
    assert (first.id, [0]) == (second.id, bench.source.opened)


async def test_a_finished_pull_is_not_joined(bench: Bench) -> None:
    """Pulling again looks again; equal bytes are not fetched again."""
    first, second = await bench.pull(), await bench.pull()
    assert first.transfer.id != second.transfer.id
    assert (TransferState.DONE, [0]) == (second.transfer.state, bench.source.opened)


class SlowTransfers(MemoryTransfers):
    """A list that takes its time to write down that something is done."""

    def __init__(self) -> None:
        super().__init__()
        self.writing, self.may_write = asyncio.Event(), asyncio.Event()

    async def put(self, transfer: Transfer) -> None:
        """Write, when a test lets it."""
        if transfer.state is TransferState.DONE and not self.writing.is_set():
            self.writing.set()
            await self.may_write.wait()
        await super().put(transfer)


async def test_a_pull_that_has_just_finished_is_not_joined(bench: Bench) -> None:
    """Its row says so a moment later; whoever saw the end and asks again would get what was there before."""
    bench.transfers = transfers = SlowTransfers()
    bench.make()
    first = await bench.pulls.start("file:/tiny")
    await transfers.writing.wait()
    assert (await bench.pulls.progress(first.id)).transfer.state.over
    second = await bench.pulls.start("file:/tiny")
    transfers.may_write.set()
    await bench.jobs.wait(first.id)
    await bench.jobs.wait(second.id)
    assert first.id != second.id


@pytest.mark.parametrize("ref", ["", "tiny", "acme/tiny"])
async def test_a_bad_reference_starts_nothing(bench: Bench, ref: str) -> None:
    """The caller learns at once."""
    with pytest.raises(SchemaError):
        await bench.pulls.start(ref)
    assert [] == list(await bench.pulls.list())


async def test_a_bad_name_starts_nothing(bench: Bench) -> None:
    """Also at once."""
    with pytest.raises(SchemaError):
        await bench.pulls.start("file:/tiny", "no spaces")


async def test_a_source_that_is_not_known_is_named(bench: Bench) -> None:
    """The bench has no bundled models."""
    with pytest.raises(SchemaError, match="bundled"):
        await bench.pulls.start("bundled:noise")


@pytest.mark.parametrize("ref", ["hf:acme/tiny", "ollama:tiny", "https://models.example/tiny.gguf?key=secret#sha256=0"])
async def test_offline_refuses_what_needs_the_network(bench: Bench, ref: str) -> None:
    """Before anything is asked, and without showing a signature."""
    with pytest.raises(OfflineError) as caught:
        await bench.make(offline=True).start(ref)
    assert "secret" not in caught.value.message


async def test_offline_allows_what_is_here(bench: Bench) -> None:
    """A file on this machine needs no network."""
    bench.make(offline=True)
    assert (await bench.pull()).transfer.state is TransferState.DONE


async def test_what_the_source_says_is_why_it_failed(bench: Bench) -> None:
    """The transfer holds code, message and hint; nothing is registered."""
    failed = (await bench.pull("file:/missing")).transfer
    assert (TransferState.FAILED, "E_NOTFOUND") == (failed.state, (failed.error or {})["code"])
    assert [] == await names(bench)


async def test_a_source_that_stays_away_fails_the_pull(bench: Bench) -> None:
    """After the tries that patience allows; a later pull goes on from there."""
    script = (Connection(cut_after=9_000), *[Connection(error=NetworkError("down"))] * 2)
    bench.source._script = list(script)
    failed = await bench.pull()
    again = await bench.pull()
    assert ("E_NET", TransferState.DONE) == ((failed.transfer.error or {})["code"], again.transfer.state)
    assert [0, 9_000, 9_000, 9_000] == bench.source.opened


async def test_wrong_bytes_fail_the_pull_and_register_nothing(bench: Bench) -> None:
    """E_VERIFY, and no file of them is left."""
    bench.source.plan_files = (replace(bench.source.file(), digest=ScriptedSource(b"other").file().digest),)
    failed = await bench.pull()
    assert ("E_VERIFY", []) == ((failed.transfer.error or {})["code"], await names(bench))
    assert [] == [path for path in bench.library.root.rglob("*") if path.is_file()]


async def test_a_file_that_is_no_model_registers_nothing(bench: Bench) -> None:
    """E_SCHEMA, and its bytes are removed."""
    bench.source.data = b"GGUF but not really"
    bench.source.plan_files = (bench.source.file(),)
    failed = await bench.pull()
    assert ("E_SCHEMA", []) == ((failed.transfer.error or {})["code"], await names(bench))
    assert [] == [path for path in bench.library.root.rglob("*") if path.is_file()]


async def test_a_disk_without_room_is_refused_before_a_byte(bench: Bench) -> None:
    """E_DISK with what would have to be freed."""
    bench.make(min_free=1 << 60)
    failed = await bench.pull()
    assert ("E_DISK", []) == ((failed.transfer.error or {})["code"], bench.source.opened)


async def test_what_is_here_already_needs_no_room(bench: Bench) -> None:
    """Pulling again on a full disk is no error."""
    await bench.pull()
    bench.make(min_free=1 << 60)
    assert (await bench.pull()).transfer.state is TransferState.DONE


async def test_another_model_of_that_name_is_not_replaced(bench: Bench) -> None:
    """E_CONFLICT, with the hint to choose another name."""
    await bench.pull("file:/one/tiny")
    failed = (await bench.pull("file:/two/tiny")).transfer.error or {}
    assert ("E_CONFLICT", True) == (failed["code"], "--name" in str(failed["hint"]))


async def test_a_new_version_of_the_same_takes_its_place(bench: Bench) -> None:
    """The same path with other bytes is an update."""
    await bench.pull()
    bench.source.data = a_gguf(bytes(80))
    bench.source.plan_files = (bench.source.file(),)
    assert (await bench.pull()).transfer.state is TransferState.DONE
    assert (await bench.library.get("tiny")).parameters == 20


async def test_several_files_make_one_model(bench: Bench) -> None:
    """Each is fetched; the bytes add up."""
    bench.source.data = a_gguf(bytes(40), split__count=2)
    first = bench.source.file("m-00001-of-00002.gguf")
    bench.source.plan_files = (first, replace(first, name=FileName("m-00002-of-00002.gguf")))
    done = (await bench.pull()).transfer
    assert (2 * len(bench.source.data), None) == (done.bytes_done, done.error)


async def test_a_stopped_pull_is_run_again_with_its_plan(bench: Bench) -> None:
    """After a restart the bytes go on, and nobody asks what the reference means now."""
    bench.source._script = [Connection(stall_after=9_000)]
    transfer = await bench.pulls.start("file:/tiny")
    await bench.source.silent.wait()
    await bench.jobs.close()
    await after_a_restart(bench)
    assert (await bench.pulls.progress(transfer.id)).transfer.state is TransferState.DONE
    assert [0, 9_000] == bench.source.opened


async def after_a_restart(bench: Bench) -> None:
    """Recover what runs, with a source that no longer resolves anything."""

    async def gone(ref: str) -> None:
        raise NotFoundError(ref)

    bench.source.resolve = gone  # type: ignore[assignment,method-assign]
    bench.jobs._tasks.clear()
    await bench.make().recover()
    for job_id in list(bench.jobs._tasks):
        await bench.jobs.wait(job_id)


@pytest.mark.parametrize("step", ["switch", "ensure"])
async def test_a_pull_killed_between_its_last_steps_ends_right(bench: Bench, step: str) -> None:
    """The blob is in place and nothing is registered: the next run registers it, and fetches nothing."""
    killed = dying(bench, step)
    transfer = await bench.pulls.start("file:/tiny")
    await bench.jobs.wait(transfer.id)
    assert ([step], []) == (killed, await names(bench))
    await after_a_restart(bench)
    assert (["tiny"], [0]) == (await names(bench), bench.source.opened)


def dying(bench: Bench, step: str) -> list[str]:
    """Let the library die once at *step*, as a kill would; what died."""
    owner: object = bench.library._artifacts if step == "switch" else bench.library._folders
    real = getattr(owner, step)
    killed: list[str] = []

    def die(*arguments: object) -> object:
        if killed:
            return real(*arguments)
        killed.append(step)
        raise asyncio.CancelledError

    setattr(owner, step, die)
    return killed


async def test_a_finished_job_that_is_run_again_does_nothing(bench: Bench) -> None:
    """Jobs run at least once; the second time is harmless."""
    done = await bench.pull()
    await bench.pulls.run(done.transfer.id, "{}")
    assert done.transfer == (await bench.pulls.progress(done.transfer.id)).transfer


async def test_recovering_leaves_finished_pulls_alone(bench: Bench) -> None:
    """Only what was under way is started."""
    await bench.pull()
    bench.jobs._tasks.clear()
    await bench.pulls.recover()
    assert {} == bench.jobs._tasks


async def test_an_unforeseen_failure_ends_the_pull_too(bench: Bench) -> None:
    """E_INTERNAL: the user is never left waiting."""

    async def broken(ref: str) -> None:
        raise RuntimeError(ref)

    bench.source.resolve = broken  # type: ignore[assignment,method-assign]
    failed = (await bench.pull()).transfer
    assert (TransferState.FAILED, "E_INTERNAL") == (failed.state, (failed.error or {})["code"])


async def test_resolving_is_tried_again(bench: Bench) -> None:
    """A hub that stumbles once does not fail the pull."""
    resolve, stumbles = bench.source.resolve, [NetworkError("stumbled")]

    async def stumbling(ref: str) -> object:
        if stumbles:
            raise stumbles.pop()
        return await resolve(ref)

    bench.source.resolve = stumbling  # type: ignore[assignment,method-assign]
    assert (await bench.pull()).transfer.state is TransferState.DONE


async def test_a_preview_does_nothing(bench: Bench) -> None:
    """It says what would come, and how much room there is."""
    preview = await bench.pulls.preview("file:/tiny", "mine")
    size = len(bench.source.data)
    assert ("mine", (False,), size, size) == (
        preview.plan.model,
        preview.present,
        preview.bytes_total,
        preview.bytes_needed,
    )
    assert preview.disk_free > 0
    assert ([], []) == (bench.source.opened, list(await bench.pulls.list()))


async def test_a_preview_knows_what_is_here(bench: Bench) -> None:
    """Present files need no bytes."""
    await bench.pull()
    preview = await bench.pulls.preview("file:/tiny")
    assert ((True,), 0) == (preview.present, preview.bytes_needed)


async def test_a_running_pull_is_shown_as_it_is(bench: Bench) -> None:
    """With what has arrived so far."""
    bench.source._script = [Connection(stall_after=9_000)]
    transfer = await bench.pulls.start("file:/tiny")
    await bench.source.silent.wait()
    shown = (await bench.pulls.list())[0].transfer
    assert (transfer.id, TransferState.DOWNLOADING, 9_000) == (shown.id, shown.state, shown.bytes_done)


async def test_an_unknown_transfer_is_not_found(bench: Bench) -> None:
    """E_NOTFOUND."""
    with pytest.raises(RoundhouseError, match="nothing"):
        await bench.pulls.progress("nothing")


async def test_files_of_one_model_come_at_once(bench: Bench) -> None:
    """The second is asked for while the first is still coming."""
    bench.source.data = a_gguf(bytes(4000), split__count=2)
    first = bench.source.file("m-00001-of-00002.gguf")
    other = replace(first, name=FileName("m-00002-of-00002.gguf"), digest=None, locator="second")
    bench.source.plan_files = (first, other)
    bench.source._script = [Connection(stall_after=1000), Connection(stall_after=2000)]
    transfer = await bench.pulls.start("file:/tiny")
    async with asyncio.timeout(10):
        while (await bench.pulls.progress(transfer.id)).transfer.bytes_done < 3000:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
    assert [0, 0] == bench.source.opened


async def test_a_file_that_fails_stops_the_others(bench: Bench) -> None:
    """Its error is the pull's; nobody waits for what is of no use any more."""
    bench.source.data = a_gguf(bytes(4000), split__count=2)
    first = bench.source.file("m-00001-of-00002.gguf")
    other = replace(first, name=FileName("m-00002-of-00002.gguf"), digest=None, locator="second")
    bench.source.plan_files = (first, other)
    bench.source._script = [Connection(stall_after=1000), Connection(error=NotFoundError("gone"))]
    failed = (await bench.pull()).transfer
    assert (TransferState.FAILED, "E_NOTFOUND") == (failed.state, (failed.error or {})["code"])
