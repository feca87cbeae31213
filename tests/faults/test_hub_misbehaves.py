"""Whatever a hub does wrong, a pull ends in a named state: the right bytes, or an error and nothing registered."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Transfer, TransferState
from roundhouse.core.clock import SystemClock
from roundhouse.core.errors import LicenseError
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.sources.hub import HubSource
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.hub import Hub
from roundhouse.testing.hub_faults import FaultKind
from roundhouse.testing.jobs import MemoryJobs
from roundhouse.testing.memory import MemoryArtifacts, MemoryTransfers
from roundhouse.transfers import FetchOptions, Patience
from roundhouse.upkeep import Pulls, PullSettings

pytestmark = pytest.mark.slow

DATA = a_gguf(random.Random(11).randbytes(3_000_000))
REF = "hf:acme/tiny"


class Bench:
    """A hub with one model, and an empty library."""

    def __init__(self, hub: Hub, root: Path) -> None:
        self.hub = hub
        self.library = Library(root, MemoryArtifacts(), Events(), SystemClock())
        fetch = FetchOptions(
            chunk_bytes=1 << 18, block_bytes=1 << 16, stall_s=0.3, patience=Patience(tries=3, base_s=0.001)
        )
        settings = PullSettings(min_free=0, fetch=fetch)
        self.jobs = MemoryJobs(self._perform)
        sources = {"hf": HubSource(hub.endpoint)}
        self.pulls = Pulls(sources, self.library, MemoryTransfers(), SystemClock(), self.jobs.start, settings)

    async def _perform(self, job_id: str, argument: str) -> None:
        await self.pulls.run(job_id, argument)

    async def pull(self) -> Transfer:
        """Pull to the end, whichever it is."""
        started = await self.pulls.start(REF)
        async with asyncio.timeout(30):
            await self.jobs.wait(started.id)
        return (await self.pulls.progress(started.id)).transfer


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Ready to go wrong."""
    async with Hub() as hub:
        hub.add("acme/tiny", {"tiny-Q4_K_M.gguf": DATA})
        bench = Bench(hub, tmp_path / "library")
        yield bench
        await bench.jobs.close()


SURVIVED = [
    (FaultKind.CUT, {"after": 700_000}),
    (FaultKind.CUT, {"after": 700_000, "times": 4}),
    (FaultKind.CUT, {"after": 0, "times": 2}),
    (FaultKind.STALL, {"after": 700_000}),
    (FaultKind.STATUS, {"status": 500, "times": 2}),
    (FaultKind.STATUS, {"status": 503, "retry_after": "0"}),
    (FaultKind.STATUS, {"status": 429, "retry_after": "0"}),
    (FaultKind.STATUS, {"status": 403}),
    (FaultKind.STATUS, {"status": 502, "where": "resolve"}),
    (FaultKind.STATUS, {"status": 503, "where": "api"}),
    (FaultKind.STATUS, {"status": 429, "where": "api", "retry_after": "0"}),
    (FaultKind.LOGIN_PAGE, {}),
    (FaultKind.COMPRESSED, {}),
]


@pytest.mark.parametrize(("kind", "details"), SURVIVED)
async def test_what_passes_is_survived(bench: Bench, kind: FaultKind, details: dict[str, int | str]) -> None:
    """The right bytes in the end, whatever came in between."""
    fault = bench.hub.plant(kind, **details)  # type: ignore[arg-type]  # the table names the fields
    assert (TransferState.DONE, None) == ((done := await bench.pull()).state, done.error)
    assert fault.fired == fault.times
    assert (await bench.library.verify("acme/tiny:Q4_K_M")).ok


@pytest.mark.parametrize("kind", [FaultKind.IGNORE_RANGE, FaultKind.WRONG_RANGE])
async def test_a_server_that_cannot_resume_is_survived(bench: Bench, kind: FaultKind) -> None:
    """After a cut the next answer is not what was asked for; it is never glued to what came before."""
    cut = bench.hub.plant(FaultKind.CUT, after=700_000)
    fault = bench.hub.plant(kind)
    assert (await bench.pull()).state is TransferState.DONE
    assert (1, 1) == (cut.fired, fault.fired)
    assert (await bench.library.verify("acme/tiny:Q4_K_M")).ok


FATAL = [
    (FaultKind.WRONG_BYTES, {}, "E_VERIFY"),
    (FaultKind.STATUS, {"status": 500, "times": 99}, "E_NET"),
    (FaultKind.STATUS, {"status": 404}, "E_NOTFOUND"),
    (FaultKind.STATUS, {"status": 429, "retry_after": "1000000000"}, "E_LIMIT"),
    (FaultKind.STATUS, {"status": 401, "where": "resolve"}, "E_AUTH"),
    (FaultKind.STATUS, {"status": 403, "where": "resolve"}, "E_PERM"),
    (FaultKind.LOGIN_PAGE, {"times": 99}, "E_NET"),
    (FaultKind.STALL, {"times": 99}, "E_NET"),
    (FaultKind.REDIRECT, {"where": "resolve", "location": "http://169.254.169.254/latest"}, "E_POLICY"),
    (FaultKind.REDIRECT, {"where": "resolve", "location": "/acme/tiny/resolve/main/loop", "times": 99}, "E_NET"),
    (FaultKind.LOGIN_PAGE, {"where": "api", "times": 2}, "E_SCHEMA"),
]


@pytest.mark.parametrize(("kind", "details", "code"), FATAL)
async def test_what_stays_wrong_is_named_and_nothing_is_registered(
    bench: Bench, kind: FaultKind, details: dict[str, int | str], code: str
) -> None:
    """An error with a code; no model, and no blob of wrong bytes."""
    fault = bench.hub.plant(kind, **details)  # type: ignore[arg-type]  # the table names the fields
    failed = await bench.pull()
    assert (TransferState.FAILED, code) == (failed.state, (failed.error or {})["code"])
    assert fault.fired >= 1
    assert [] == list(await bench.library.list())
    assert [] == list(bench.library.root.glob("blobs/*"))


async def test_a_gated_model_says_what_to_do(bench: Bench) -> None:
    """E_LICENSE at once, and the hint names the page and the token."""
    bench.hub.add("acme/tiny", {}, gated=True)
    with pytest.raises(LicenseError) as caught:
        await bench.pull()
    assert f"{bench.hub.endpoint}/acme/tiny" == caught.value.details["url"]
    assert [True, True] == [word in (caught.value.hint or "") for word in ("token", "/acme/tiny")]


async def test_a_pull_that_failed_goes_on_with_the_next(bench: Bench) -> None:
    """What had come before the hub went away is not fetched again."""
    bench.hub.plant(FaultKind.CUT, after=700_000)
    bench.hub.bytes_per_s = 5e6  # a client that is slower than the cut loses what it has not read
    gone = bench.hub.plant(FaultKind.STATUS, status=500, times=3)
    failed, done = await bench.pull(), await bench.pull()
    assert (TransferState.FAILED, TransferState.DONE, 3) == (failed.state, done.state, gone.fired)
    assert 0 < failed.bytes_done <= bench.hub.downloads()[-1].begin
