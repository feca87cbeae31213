import asyncio
import errno
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from tests.unit.upkeep.conftest import Bench

from roundhouse.core.artifacts import Transfer, TransferState
from roundhouse.core.errors import ConflictError, NetworkError, NotFoundError
from roundhouse.testing.builders import a_transfer
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.source import Connection
from roundhouse.transfers.partial import Partial
from roundhouse.upkeep import Progress, Pulls
from roundhouse.upkeep.steering import is_news

PAUSED, QUEUED, CANCELLED = TransferState.PAUSED, TransferState.QUEUED, TransferState.CANCELLED
CUT = 9_000


async def silent(bench: Bench) -> str:
    """A pull whose connection has gone silent after some bytes; its id."""
    bench.source._script = [Connection(stall_after=CUT)]
    transfer = await bench.pulls.start("file:/tiny")
    await bench.source.silent.wait()
    return transfer.id


def leftovers(bench: Bench) -> list[str]:
    """Files of the library's folder."""
    return [path.name for path in bench.library.root.rglob("*") if path.is_file()]


async def test_a_paused_pull_waits(bench: Bench) -> None:
    """The row says so before the answer does, and nothing is asked for."""
    paused = await bench.pulls.pause(await silent(bench))
    assert (PAUSED, None) == (paused.transfer.state, paused.rate)
    assert paused.transfer.state is (await bench.transfers.get(paused.transfer.id)).state
    assert [0] == bench.source.opened


async def test_a_resumed_pull_goes_on_where_it_stopped(bench: Bench) -> None:
    """What had arrived is kept and not asked for again."""
    transfer_id = await silent(bench)
    await bench.pulls.pause(transfer_id)
    await bench.pulls.resume(transfer_id)
    await bench.jobs.wait(transfer_id)
    assert TransferState.DONE is (await bench.pulls.progress(transfer_id)).transfer.state
    assert [0, CUT] == bench.source.opened


async def test_a_paused_pull_stays_paused_after_a_restart(bench: Bench) -> None:
    """It is run again, and waits again; then it can be resumed."""
    transfer_id = await silent(bench)
    await bench.pulls.pause(transfer_id)
    await bench.jobs.close()
    bench.jobs._tasks.clear()
    await bench.make().recover()
    assert PAUSED is (await bench.pulls.pause(transfer_id)).transfer.state
    await bench.pulls.resume(transfer_id)
    await bench.jobs.wait(transfer_id)
    assert [0, CUT] == bench.source.opened


async def test_a_cancelled_pull_leaves_nothing(bench: Bench) -> None:
    """No partial file, no plan, no model."""
    transfer_id = await silent(bench)
    cancelled = await bench.pulls.cancel(transfer_id)
    await bench.jobs.wait(transfer_id)
    assert (CANCELLED, [], []) == (cancelled.transfer.state, leftovers(bench), list(await bench.library.list()))


async def test_a_paused_pull_can_be_cancelled(bench: Bench) -> None:
    """Its job ends, and nothing is left either."""
    transfer_id = await silent(bench)
    await bench.pulls.pause(transfer_id)
    await bench.pulls.cancel(transfer_id)
    await bench.jobs.wait(transfer_id)
    assert (CANCELLED, []) == ((await bench.pulls.progress(transfer_id)).transfer.state, leftovers(bench))


async def test_a_cancel_that_a_kill_cut_short_is_swept_up_later(bench: Bench) -> None:
    """The row says cancelled, the files are still there: the next run removes them."""
    transfer_id = await silent(bench)
    await bench.jobs.close()
    known = await bench.transfers.get(transfer_id)
    await bench.transfers.put(replace(known, state=CANCELLED))
    assert leftovers(bench) != []
    await bench.make().run(transfer_id, '{"ref": "file:/tiny", "model": null}')
    assert [] == leftovers(bench)


async def test_cancelling_spares_what_another_pull_is_fetching(bench: Bench) -> None:
    """Two references to the same bytes share one partial file."""
    first = await silent(bench)
    other = await bench.pulls.start("file:/tiny", "other")
    await bench.pulls.cancel(other.id)
    await bench.jobs.wait(other.id)
    assert [name for name in leftovers(bench) if name.endswith(".part")] != []
    await bench.pulls.cancel(first)


@pytest.mark.parametrize("verb", [Pulls.pause, Pulls.resume, Pulls.cancel])
async def test_what_is_over_cannot_be_steered(bench: Bench, verb: Callable[..., Awaitable[Progress]]) -> None:
    """E_CONFLICT that says what it is."""
    done = await bench.pull()
    with pytest.raises(ConflictError, match="here already"):
        await verb(bench.pulls, done.transfer.id)


@pytest.mark.parametrize("verb", [Pulls.pause, Pulls.resume, Pulls.cancel])
async def test_what_is_unknown_cannot_be_steered(bench: Bench, verb: Callable[..., Awaitable[Progress]]) -> None:
    """E_NOTFOUND."""
    with pytest.raises(NotFoundError):
        await verb(bench.pulls, "nobody")


async def test_a_pull_that_has_not_begun_can_be_paused(bench: Bench) -> None:
    """Its job reads the row when it begins."""
    transfer = await bench.pulls.start("file:/tiny")
    await bench.pulls.pause(transfer.id)
    assert PAUSED is (await bench.pulls.progress(transfer.id)).transfer.state
    assert [] == bench.source.opened
    await bench.pulls.resume(transfer.id)
    await bench.jobs.wait(transfer.id)
    assert TransferState.DONE is (await bench.pulls.progress(transfer.id)).transfer.state


async def test_pulling_it_again_resumes_it(bench: Bench) -> None:
    """Somebody wants it now."""
    transfer_id = await silent(bench)
    await bench.pulls.pause(transfer_id)
    assert (transfer_id, QUEUED) == ((joined := await bench.pulls.start("file:/tiny")).id, joined.state)
    await bench.jobs.wait(transfer_id)


async def test_a_cancelled_pull_is_not_joined(bench: Bench) -> None:
    """Pulling it again begins anew."""
    transfer_id = await silent(bench)
    await bench.pulls.cancel(transfer_id)
    again = await bench.pull()
    assert (True, TransferState.DONE) == (again.transfer.id != transfer_id, again.transfer.state)


async def test_a_failure_while_pausing_is_met_again_later(bench: Bench) -> None:
    """What was paused is paused, whatever the work said on its way out."""
    ran: list[str] = []
    begun = asyncio.Event()

    async def work() -> None:
        ran.append("once more")
        begun.set()
        if len(ran) == 1:
            with pytest.raises(asyncio.CancelledError):
                await asyncio.Event().wait()
            message = "cut"
            raise NetworkError(message)

    transfer_id = await silent(bench)
    wheel = bench.pulls._wheels[transfer_id]
    driving = asyncio.ensure_future(wheel.drive(work))
    await begun.wait()
    await wheel.tell(PAUSED)
    await wheel.tell(QUEUED)
    await driving
    assert 2 == len(ran)


@pytest.mark.parametrize("wanted", [PAUSED, CANCELLED])
def test_registering_is_too_late(wanted: TransferState) -> None:
    """Everything is here; the hint says how to get rid of it."""
    with pytest.raises(ConflictError, match="registered") as caught:
        is_news(replace(a_transfer(), state=TransferState.REGISTERING), wanted)
    assert "models rm" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("state", "wanted", "expected"),
    [
        (QUEUED, QUEUED, False),
        (TransferState.DOWNLOADING, QUEUED, False),
        (TransferState.REGISTERING, QUEUED, False),
        (PAUSED, PAUSED, False),
        (CANCELLED, CANCELLED, False),
        (PAUSED, QUEUED, True),
        (TransferState.RESOLVING, PAUSED, True),
        (PAUSED, CANCELLED, True),
    ],
)
def test_what_is_so_already_is_no_news(state: TransferState, wanted: TransferState, expected: bool) -> None:  # noqa: FBT001
    """Asking twice is no error, and changes nothing."""
    assert expected is is_news(replace(a_transfer(), state=state), wanted)


async def test_a_limit_is_durable_and_holds_at_once(bench: Bench) -> None:
    """Also for a transfer that waits."""
    transfer_id = await silent(bench)
    await bench.pulls.limit(transfer_id, 4096)
    assert (4096, 4096) == (
        bench.pulls._live[transfer_id].bandwidth.limit,
        (await bench.transfers.get(transfer_id)).bandwidth,
    )
    await bench.pulls.pause(transfer_id)
    assert (await bench.pulls.limit(transfer_id, None)).transfer.bandwidth is None


async def test_what_is_over_has_no_limit(bench: Bench) -> None:
    """E_CONFLICT."""
    done = await bench.pull()
    with pytest.raises(ConflictError):
        await bench.pulls.limit(done.transfer.id, 4096)


async def wait_briefly(bench: Bench, transfer_id: str) -> None:
    """Long enough for whatever does not have to wait."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await bench.jobs.wait(transfer_id)


async def test_pulls_keep_the_common_limit_until_it_is_lifted(bench: Bench) -> None:
    """The clock stands still, so nothing more is allowed; then it is."""
    bench.source.scheme = "hf"
    bench.make(bandwidth=1024)
    transfer = await bench.pulls.start("hf:tiny")
    await wait_briefly(bench, transfer.id)
    bench.pulls.bandwidth.limit = None
    await bench.jobs.wait(transfer.id)
    assert TransferState.DONE is (await bench.pulls.progress(transfer.id)).transfer.state


async def test_files_of_this_machine_are_not_limited(bench: Bench) -> None:
    """The limit is about the network."""
    bench.make(bandwidth=1024)
    assert TransferState.DONE is (await bench.pull()).transfer.state


async def queued(bench: Bench, count: int) -> list[str]:
    """Pulls over the network, of which only the first has a place; their ids."""
    bench.source.scheme = "hf"
    bench.make(max_concurrent=1)
    bench.source._script = [Connection(stall_after=CUT)]
    first = await bench.pulls.start("hf:tiny0")
    await bench.source.silent.wait()
    return [first.id, *[(await bench.pulls.start(f"hf:tiny{number}")).id for number in range(1, count)]]


async def test_no_more_pulls_than_allowed_work_at_a_time(bench: Bench) -> None:
    """The others are queued, and ask for nothing."""
    ids = await queued(bench, 3)
    states = [(await bench.pulls.progress(each)).transfer.state for each in ids]
    assert [TransferState.DOWNLOADING, QUEUED, QUEUED] == states
    assert [0] == bench.source.opened


async def test_a_pause_makes_room_for_the_most_urgent(bench: Bench) -> None:
    """Priorities count when a place falls free, whenever they were given."""
    first, second, third = await queued(bench, 3)
    bench.source._script = [Connection(stall_after=CUT)]
    bench.source.silent.clear()
    assert (
        5 == (await bench.pulls.prioritize(third, 5)).transfer.priority == (await bench.transfers.get(third)).priority
    )
    await bench.pulls.pause(first)
    await bench.source.silent.wait()
    states = [(await bench.pulls.progress(each)).transfer.state for each in (first, second, third)]
    assert [PAUSED, QUEUED, TransferState.DOWNLOADING] == states


async def test_a_queued_pull_can_be_paused_and_cancelled(bench: Bench) -> None:
    """It leaves the queue at once."""
    _, second, third = await queued(bench, 3)
    await bench.pulls.pause(second)
    await bench.pulls.cancel(third)
    await bench.jobs.wait(third)
    assert CANCELLED is (await bench.pulls.progress(third)).transfer.state


async def test_what_is_on_this_machine_does_not_queue(bench: Bench) -> None:
    """A full queue of downloads keeps nobody from adding a file."""
    await queued(bench, 3)
    bench.source.data = a_gguf(bytes(80))
    bench.source.plan_files = (bench.source.file(),)
    assert TransferState.DONE is (await bench.pull()).transfer.state


class FullDisk:
    """A disk that is full after some bytes, until it is told otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room, self.free, self.ran_out = room, 0, asyncio.Event()
        self._loop, write = asyncio.get_running_loop(), Partial.put
        usage = shutil.disk_usage("/")

        def writing(partial: Partial, part: memoryview, offset: int) -> None:
            if offset + len(part) > self.room:
                self._loop.call_soon_threadsafe(self.ran_out.set)
                raise OSError(errno.ENOSPC, "No space left on device")
            write(partial, part, offset)

        monkeypatch.setattr(Partial, "put", writing)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=self.free))

    def empty(self) -> None:
        """Make room."""
        self.room = self.free = 1 << 40


async def run_out(bench: Bench, disk: FullDisk) -> str:
    """A pull that has met the full disk; its id."""
    disk.free = 1 << 40
    transfer = await bench.pulls.start("file:/tiny")
    await disk.ran_out.wait()
    disk.free = 0
    return transfer.id


async def shown(bench: Bench, transfer_id: str, state: TransferState) -> Transfer:
    """The transfer, once it is in *state*."""
    async with asyncio.timeout(10):
        while (now := (await bench.pulls.progress(transfer_id)).transfer).state is not state:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
    return now


async def test_a_full_disk_pauses_with_a_reason(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a failure, and no storm of tries: nothing is asked for until there is room."""
    disk = FullDisk(monkeypatch, 20_000)
    bench.make(room_look_s=0.001)
    transfer_id = await run_out(bench, disk)
    error = (await shown(bench, transfer_id, PAUSED)).error or {}
    assert ("E_DISK", {"reason": "no_space"}) == (error["code"], error["details"])
    await wait_briefly(bench, transfer_id)
    assert [0] == bench.source.opened


async def test_it_goes_on_when_there_is_room(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, from where it stopped."""
    disk = FullDisk(monkeypatch, 20_000)
    bench.make(room_look_s=0.001)
    transfer_id = await run_out(bench, disk)
    await shown(bench, transfer_id, PAUSED)
    disk.empty()
    await bench.jobs.wait(transfer_id)
    assert TransferState.DONE is (await bench.pulls.progress(transfer_id)).transfer.state
    assert [0, 20_000] == bench.source.opened


async def test_resuming_without_room_pauses_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has begun is never failed for want of room."""
    disk = FullDisk(monkeypatch, 20_000)
    transfer_id = await run_out(bench, disk)
    await shown(bench, transfer_id, PAUSED)
    await bench.pulls.resume(transfer_id)
    error = (await shown(bench, transfer_id, PAUSED)).error or {}
    assert "must stay free" in str(error["message"])


async def test_a_person_s_pause_outlasts_the_room(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paused by hand, it does not go on by itself."""
    disk = FullDisk(monkeypatch, 20_000)
    bench.make(room_look_s=0.001)
    transfer_id = await run_out(bench, disk)
    await shown(bench, transfer_id, PAUSED)
    await bench.pulls.pause(transfer_id)
    disk.empty()
    await wait_briefly(bench, transfer_id)
    assert PAUSED is (await bench.pulls.progress(transfer_id)).transfer.state
