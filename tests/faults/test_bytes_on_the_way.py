"""What the engine promises of bytes on their way in: D3, D5, D8, D12 and D15 of the reliability list."""

import asyncio
import hashlib
import multiprocessing
import random
import threading
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Digest, PlannedFile
from roundhouse.core.clock import SystemClock
from roundhouse.core.errors import RoundhouseError, VerifyError
from roundhouse.testing.source import Connection, ScriptedSource
from roundhouse.transfers import Bandwidth, Fetcher, FetchOptions, Landing, Patience, claims
from roundhouse.transfers.partial import Partial

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CHUNK = 1 << 16
DATA = random.Random(31).randbytes(40 * CHUNK + 777)
DIGEST = Digest(hashlib.sha256(DATA).hexdigest())
#: More than the sample of the everyday suite means: all of them.
SAMPLE = 5
CLOCK = SystemClock()


class Quiet:
    """A watcher that looks away, but counts what came."""

    received = 0

    def advanced(self, received: int, journaled: int) -> None:  # noqa: ARG002 (the port's words)
        """Note it."""
        self.received = received

    def waiting(self, error: RoundhouseError, delay_s: float) -> None:
        """Not of interest."""


def a_fetcher(root: Path, **options: object) -> Fetcher:
    """Four connections and small chunks."""
    chosen = {"chunk_bytes": CHUNK, "block_bytes": CHUNK // 4, "connections": 4, "least_range_bytes": 4 * CHUNK}
    patience = {"patience": Patience(tries=3, base_s=0.0)}
    fetch = FetchOptions(**{**chosen, **patience, **options})  # type: ignore[arg-type]  # the table names the fields
    return Fetcher(Landing(root / "partials", lambda digest: root / "blobs" / digest), fetch)


def a_torn_partial(root: Path, chance: random.Random) -> list[tuple[int, int]]:
    """A partial file with some chunks in it, in no order; what its journal vouches for."""
    partial = Partial(root / "partials", f"sha256-{DIGEST}", CHUNK)
    for number in chance.sample(range(40), 12):
        stretch = partial.stretch(number * CHUNK)
        stretch.write(DATA[number * CHUNK : (number + 1) * CHUNK])
        partial.end(stretch)
    partial.close()
    return [(chunk.offset, chunk.end) for chunk in partial.chunks]


async def test_a_flipped_bit_is_caught_before_anything_is_put_behind_it(tmp_path: Path, times: int) -> None:
    """D3: its chunk is fetched again, and no other that was right."""
    flips, chance, caught = (200 if times > SAMPLE else times * 5), random.Random(3), 0
    for number in range(flips):
        root = tmp_path / str(number)
        held = a_torn_partial(root, chance)
        begin, end = chance.choice(held)
        position, path = chance.randrange(begin, end), root / "partials" / f"sha256-{DIGEST}.part"
        raw = bytearray(path.read_bytes())
        raw[position] ^= 1 << chance.randrange(8)
        path.write_bytes(raw)
        source = ScriptedSource(DATA)
        await a_fetcher(root, connections=1).fetch(source.file(), source, Quiet())
        asked = [(at, at + (length or len(DATA))) for at, length in zip(source.opened, source.lengths, strict=True)]
        caught += any(first <= begin and end <= last for first, last in asked)
        assert DATA == (root / "blobs" / DIGEST).read_bytes()
    print(f"{flips} bits flipped, {caught} caught before append")
    assert caught == flips


async def test_a_wrong_digest_never_shows_in_place(tmp_path: Path, times: int) -> None:
    """D15: whoever looks all the time never sees the file."""
    rounds, seen, looks = (100 if times > SAMPLE else times * 3), 0, 0
    over, wanted = threading.Event(), tmp_path / "blobs" / DIGEST

    def watch() -> None:
        nonlocal seen, looks
        while not over.is_set():
            seen, looks = seen + wanted.exists(), looks + 1

    watching = threading.Thread(target=watch)
    watching.start()
    wrong = bytearray(DATA)
    wrong[len(DATA) // 2] ^= 1
    try:
        for _ in range(rounds):
            with pytest.raises(VerifyError):
                await a_fetcher(tmp_path).fetch(ScriptedSource(DATA).file(), ScriptedSource(bytes(wrong)), Quiet())
    finally:
        over.set()
        watching.join()
    print(f"{rounds} wrong digests, {looks} looks, {seen} times in place")
    assert (0, True) == (seen, looks > rounds)


@pytest.mark.parametrize("stall_after", [0, 100_000])
async def test_a_stall_is_broken_and_tries_are_bounded(tmp_path: Path, stall_after: int) -> None:
    """D5: a new connection after the silence; without progress there is an end."""
    source = ScriptedSource(DATA, *[Connection(stall_after=stall_after)] * 500)
    options: dict[str, object] = {"stall_s": 0.05, "connections": 1}
    if stall_after:
        await a_fetcher(tmp_path, **options).fetch(source.file(), source, Quiet())
        assert DATA == (tmp_path / "blobs" / DIGEST).read_bytes()
    else:
        with pytest.raises(RoundhouseError, match="not a byte"):
            await a_fetcher(tmp_path, **options).fetch(source.file(), source, Quiet())
        assert len(source.opened) == 3
    assert source.silent.is_set()


async def test_a_stalled_fetch_is_cancelled_at_once(tmp_path: Path, times: int) -> None:
    """D5: within a second, every time."""
    rounds, longest = (50 if times > SAMPLE else times * 3), 0.0
    for number in range(rounds):
        source = ScriptedSource(DATA, *[Connection(stall_after=number * 1000)] * 4)
        task = asyncio.ensure_future(a_fetcher(tmp_path / str(number)).fetch(source.file(), source, Quiet()))
        await source.silent.wait()
        begun = CLOCK.monotonic()
        task.cancel()
        await asyncio.wait([task])
        longest = max(longest, CLOCK.monotonic() - begun)
    print(f"{rounds} stalled fetches cancelled, the slowest in {longest:.3f} s")
    assert longest < 1


async def test_several_files_over_several_connections_keep_one_limit(tmp_path: Path, times: int) -> None:
    """D8: every window is within ten percent of it, and a change is felt within two seconds."""
    limit, window_s, windows = 4 << 20, (10.0 if times > SAMPLE else 1.5), (3 if times > SAMPLE else 2)
    source, shared = ScriptedSource(random.Random(1).randbytes(1 << 20) * 64), Bandwidth(CLOCK, limit)
    files, notes = [source.file(f"{number}", digested=False) for number in range(2)], [Quiet(), Quiet()]
    fetcher = a_fetcher(tmp_path)
    tasks = [
        asyncio.ensure_future(fetcher.fetch(file, source, note, shared))
        for file, note in zip(files, notes, strict=True)
    ]

    async def rate() -> float:
        before, begun = sum(note.received for note in notes), CLOCK.monotonic()
        await asyncio.wait(tasks, timeout=window_s)
        return (sum(note.received for note in notes) - before) / (CLOCK.monotonic() - begun)

    await asyncio.wait(tasks, timeout=0.5)
    rates = [await rate() / limit for _ in range(windows)]
    shared.limit = limit // 2
    await asyncio.wait(tasks, timeout=2)
    rates.append(await rate() / shared.limit)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    print("of the limit, window by window:", [round(each, 3) for each in rates])
    assert [] == [each for each in rates if not 0.9 <= each <= 1.1]


def fetch_without_locks(root: Path, begin: object) -> None:
    """One process that fetches *DATA*, on a file system where every lock succeeds."""
    claims.fcntl.flock = lambda *_: None  # type: ignore[attr-defined]  # as on some network file systems
    source = ScriptedSource(DATA, *[Connection(cut_after=3 * CHUNK)] * 3)
    file: PlannedFile = source.file()
    begin.wait()  # type: ignore[attr-defined]
    asyncio.run(a_fetcher(root).fetch(file, source, Quiet()))


def test_two_processes_without_locks_end_with_the_right_file(tmp_path: Path, times: int) -> None:
    """D12: both fetch the same bytes at the same time into the same library."""
    rounds, processes = (50 if times > SAMPLE else times), multiprocessing.get_context("fork")
    right = 0
    for number in range(rounds):
        root, begin = tmp_path / str(number), processes.Barrier(2)
        both = [processes.Process(target=fetch_without_locks, args=(root, begin)) for _ in range(2)]
        for each in both:
            each.start()
        for each in both:
            each.join()
        whole = (root / "blobs" / DIGEST).read_bytes() == DATA
        right += whole and [0, 0] == [each.exitcode for each in both] and [] == list((root / "partials").iterdir())
    print(f"{rounds} rounds of two processes, {right} right")
    assert right == rounds
