"""Whatever a web server does wrong, a pull ends in the state that is named here, never as a model of wrong bytes."""

import hashlib
import random
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Transfer, TransferState
from roundhouse.core.clock import SystemClock
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.sources.web import WebSource
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.jobs import MemoryJobs
from roundhouse.testing.memory import MemoryArtifacts, MemoryTransfers
from roundhouse.testing.rogue import Asked, Misdeed, Rogue
from roundhouse.transfers import FetchOptions, Patience
from roundhouse.upkeep import Pulls, PullSettings

pytestmark = pytest.mark.slow

DATA = a_gguf(random.Random(12).randbytes(3_000_000))
DIGEST = hashlib.sha256(DATA).hexdigest()
DONE, FAILED = TransferState.DONE, TransferState.FAILED
ALWAYS = 99


class Bench:
    """An empty library, and a way to pull into it."""

    def __init__(self, root: Path) -> None:
        self.library = Library(root, MemoryArtifacts(), Events(), SystemClock())
        fetch = FetchOptions(
            chunk_bytes=1 << 18, block_bytes=1 << 16, stall_s=0.3, patience=Patience(tries=3, base_s=0.001)
        )
        self.jobs = MemoryJobs(self._perform)
        self.pulls = Pulls(
            {"https": WebSource()},
            self.library,
            MemoryTransfers(),
            SystemClock(),
            self.jobs.start,
            PullSettings(min_free=0, fetch=fetch),
        )

    async def _perform(self, job_id: str, argument: str) -> None:
        await self.pulls.run(job_id, argument)

    async def pull(self, url: str) -> Transfer:
        """Pull to the end, whichever it is."""
        started = await self.pulls.start(f"{url}#sha256={DIGEST}")
        await self.jobs.wait(started.id)
        return (await self.pulls.progress(started.id)).transfer

    async def check_nothing_is_here(self) -> None:
        """No model, and no blob that somebody could take for one."""
        assert [] == list(await self.library.list())
        assert [] == list(self.library.root.glob("blobs/*"))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Ready to go wrong."""
    bench = Bench(tmp_path / "library")
    yield bench
    await bench.jobs.close()


@pytest.fixture
async def rogue() -> AsyncIterator[Rogue]:
    """A server that still behaves."""
    async with Rogue(DATA, DIGEST) as rogue:
        yield rogue


def resumed(asked: Asked) -> bool:
    """Whether this request goes on where an earlier one stopped."""
    return asked.method == "GET" and asked.span is not None and asked.span[0] > 0


def asks_size(asked: Asked) -> bool:
    """Whether this request asks only what there is."""
    return asked.method == "HEAD"


Plan = Callable[[Rogue], list[Misdeed]]


def after_a_cut(plan: Callable[[Rogue], Misdeed]) -> Plan:
    """Cut the first answer, and let the answer to what goes on from there be wrong."""
    return lambda rogue: [rogue.plant(rogue.cut(700_000)), plan(rogue)]


def date_now() -> str:
    """This moment as HTTP writes it."""
    return format_datetime(datetime.now(UTC), usegmt=True)


BUSY = "429 Too Many Requests"
CASES: dict[str, tuple[Plan, TransferState, str | None]] = {
    "range ignored": (after_a_cut(lambda r: r.plant(r.ignore_range, when=resumed)), DONE, None),
    "wrong start in Content-Range": (
        after_a_cut(lambda r: r.plant(r.lying_range(shift=7), when=resumed)),
        DONE,
        None,
    ),
    "wrong total in Content-Range": (
        after_a_cut(lambda r: r.plant(r.lying_range(total=7), times=ALWAYS, when=resumed)),
        FAILED,
        "E_VERIFY",
    ),
    "ETag changed, If-Range honoured": (
        after_a_cut(lambda r: r.plant(r.another_version, when=resumed)),
        DONE,
        None,
    ),
    "ETag changed, part of another file": (
        after_a_cut(lambda r: r.plant(r.glued_version, when=resumed)),
        DONE,
        None,
    ),
    "not satisfiable": (after_a_cut(lambda r: r.plant(r.not_satisfiable, when=resumed)), DONE, None),
    "short body under the right length": (lambda r: [r.plant(r.cut(700_000), times=2)], DONE, None),
    "long body": (lambda r: [r.plant(r.too_long, times=ALWAYS)], FAILED, "E_VERIFY"),
    "no length": (lambda r: [r.plant(r.no_length)], DONE, None),
    "chunked, cut": (lambda r: [r.plant(r.chunked_cut)], DONE, None),
    "compressed unasked": (lambda r: [r.plant(r.gzip)], DONE, None),
    "compressed always": (lambda r: [r.plant(r.gzip, times=ALWAYS)], FAILED, "E_NET"),
    "HTTP/1.0": (lambda r: [r.plant(r.old)], DONE, None),
    "no bytes": (lambda r: [r.plant(r.empty, times=ALWAYS)], FAILED, "E_VERIFY"),
    "size 0 promised": (lambda r: [r.plant(r.empty, when=asks_size)], DONE, None),
    "429 with seconds": (lambda r: [r.plant(r.status(BUSY, Retry_After="0"))], DONE, None),
    "429 with a date": (
        lambda r: [r.plant(r.status(BUSY, Retry_After=date_now(), Date=date_now()))],
        DONE,
        None,
    ),
    "429 for thirty years": (lambda r: [r.plant(r.status(BUSY, Retry_After="1000000000"))], FAILED, "E_LIMIT"),
    "500 twice": (lambda r: [r.plant(r.status("500 Oops"), times=2)], DONE, None),
    "500 always": (lambda r: [r.plant(r.status("500 Oops"), times=ALWAYS)], FAILED, "E_NET"),
    "reset in the middle": (lambda r: [r.plant(r.reset)], DONE, None),
    "reset at once": (lambda r: [r.plant(r.hang_up, times=2)], DONE, None),
    "redirected in a circle": (
        lambda r: [r.plant(r.status("302 Found", Location=r.path), times=ALWAYS)],
        FAILED,
        "E_NET",
    ),
    "redirected to the machine's own secrets": (
        lambda r: [r.plant(r.status("302 Found", Location="http://169.254.169.254/latest"))],
        FAILED,
        "E_POLICY",
    ),
    "an airport's page, once": (lambda r: [r.plant(r.portal)], DONE, None),
    "an airport's page": (lambda r: [r.plant(r.portal, times=ALWAYS)], FAILED, "E_NET"),
    "pointer instead of the file": (lambda r: [r.plant(r.pointer, times=ALWAYS)], FAILED, "E_VERIFY"),
    "one bit": (lambda r: [r.plant(r.wrong_bytes, times=ALWAYS)], FAILED, "E_VERIFY"),
    "not HTTP": (lambda r: [r.plant(r.garbage)], DONE, None),
    "headers without end": (lambda r: [r.plant(r.endless_head)], DONE, None),
    "silence in the middle": (lambda r: [r.plant(r.silent)], DONE, None),
    "silence, again and again": (lambda r: [r.plant(r.silent, times=5)], DONE, None),
    "silence from the start": (lambda r: [r.plant(r.mute, times=ALWAYS)], FAILED, "E_NET"),
}


@pytest.mark.parametrize("case", CASES)
async def test_every_misdeed_ends_in_its_named_state(bench: Bench, rogue: Rogue, case: str) -> None:
    """The right bytes, or an error with a code and nothing in the library; and the misdeed did happen."""
    plan, state, code = CASES[case]
    misdeeds = plan(rogue)
    over = await bench.pull(rogue.url)
    assert (state, code) == (over.state, over.error and over.error["code"])
    assert all(misdeed.fired for misdeed in misdeeds)
    if state is DONE:
        assert (await bench.library.verify("model")).ok
    else:
        await bench.check_nothing_is_here()


async def test_a_signed_address_that_expires_is_signed_again(bench: Bench, rogue: Rogue) -> None:
    """403 in the middle means a new signature at the same offset: nothing that had come is fetched again."""
    signed = [rogue.status("302 Found", Location=f"http://localhost:{rogue.port}/signed-{number}") for number in (1, 2)]
    first, second = (rogue.plant(each, when=lambda asked: asked.path == rogue.path) for each in signed)
    cut = rogue.plant(rogue.cut(1 << 20), when=lambda asked: asked.path == "/signed-1")
    expired = rogue.plant(rogue.status("403 Expired"), times=ALWAYS, when=lambda asked: asked.path == "/signed-1")
    over = await bench.pull(rogue.url)
    assert (DONE, None) == (over.state, over.error)
    assert [True] * 3 == [bool(each.fired) for each in (first, second, cut)]
    assert expired.fired <= 1
    assert (await bench.library.verify("model")).ok


async def test_a_name_that_nobody_knows(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS says no: E_NET, and the message names the host."""
    wanted: list[object] = []

    def unknown(host: object, *_: object, **__: object) -> None:
        wanted.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    over = await bench.pull("https://no-such-host.invalid/model.gguf")
    assert (FAILED, "E_NET") == (over.state, (over.error or {})["code"])
    assert "no-such-host.invalid" in str(over.error)
    assert {"no-such-host.invalid"} == set(wanted)
    await bench.check_nothing_is_here()


@pytest.fixture
def rude() -> Iterator[tuple[int, list[int]]]:
    """A port whose owner ends every connection in the middle of the handshake; it counts them."""
    met: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    met.append(len(peer.recv(5)))
                    peer.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], met
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


async def test_tls_that_is_cut(bench: Bench, rude: tuple[int, list[int]]) -> None:
    """A handshake that nobody finishes: E_NET after some tries."""
    port, met = rude
    over = await bench.pull(f"https://127.0.0.1:{port}/model.gguf")
    assert (FAILED, "E_NET") == (over.state, (over.error or {})["code"])
    assert len(met) >= 3
    await bench.check_nothing_is_here()


def test_there_are_enough_misdeeds() -> None:
    """At least twenty-five, and they are counted where people look."""
    count = len(CASES) + 3
    print(f"misdeeds: {count}")
    assert count >= 25
