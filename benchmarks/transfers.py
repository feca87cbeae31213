"""What getting a model costs: nginx → Roundhouse, beside curl, aria2c and huggingface_hub in the same run.

    python -m benchmarks.transfers [--rounds 3] [--mib 2048] [--check]

Everybody fetches the same file from the same nginx on loopback to the same disk and proves its sha256; the figures are
medians over the rounds, which take turns. It then verifies the file beside `openssl dgst`, brings fifty files at once,
with and without wrk at the gateway, and eight under a limit. The table goes to ``benchmarks/results/``. With
``--check`` it exits with 1 when a budget is missed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.contestants import nginx, roundhouse, running
from benchmarks.fetchers import House, Load, Peak, contestants, file_server, must
from benchmarks.gateway import Budget, machine, table, wrk

from roundhouse.testing.gguf import a_gguf

RESULTS = Path(__file__).parent / "results"
PIECE = 16 << 20
MANY, MANY_MIB = 50, 64
LIMITED, LIMIT, LIMIT_S = 8, 10 << 20, 20.0
#: What fifty downloads share while somebody uses the gateway: a fast line at home.
BESIDE_BYTES_PER_S = 50 << 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """How one contestant did."""

    name: str
    how: str
    #: Seconds of the middle round, proof included.
    seconds: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Many:
    """What fifty downloads at once cost."""

    seconds: float
    extra_mib: float
    #: p99 of the gateway at 16 connections: alone, beside fifty downloads at a limit, and beside fifty at full speed.
    p99_alone_ms: float
    p99_beside_ms: float
    p99_full_ms: float


def make(folder: Path, name: str, mib: int) -> Load:
    """Write a model of noise."""
    path, digest, left = folder / name, hashlib.sha256(), mib << 20
    block = a_gguf(bytes(64))
    with path.open("wb") as file:
        while left > 0:
            file.write(block)
            digest.update(block)
            left -= len(block)
            block = os.urandom(min(PIECE, max(left, 0)))
    return Load(path, digest.hexdigest())


def fetch_all(folder: Path, house: House, load: Load, rounds: int) -> list[Fetched]:
    """Everybody, in turn, for several rounds."""
    everybody = contestants(folder, house, load)
    seconds: dict[str, list[float]] = {each.name: [] for each in everybody}
    peaks: dict[str, float] = {each.name: 0.0 for each in everybody}
    for _ in range(rounds):
        for each in everybody:
            with Peak(each.process) as peak:
                began = time.perf_counter()
                each.fetch()
                seconds[each.name].append(time.perf_counter() - began)
            peaks[each.name] = max(peaks[each.name], peak.mib)
            each.clean()
            print(f"{each.name:24} {seconds[each.name][-1]:.2f} s", file=sys.stderr)
    return [Fetched(e.name, e.how, statistics.median(seconds[e.name]), peaks[e.name]) for e in everybody]


def verify_both(house: House, load: Load, rounds: int) -> tuple[float, float]:
    """Seconds of `models verify`, and of `openssl dgst` on the same file."""
    house.run("pull", load.ref, "--name", "whole")
    ours, theirs = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        house.run("models", "verify", "whole")
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        must("openssl", "dgst", "-sha256", str(load.path))
        theirs.append(time.perf_counter() - began)
    house.forget(["whole"])
    return statistics.median(ours), statistics.median(theirs)


def many(folder: Path, house: House, loads: Sequence[Load]) -> Many:
    """Fifty at once: alone, and with wrk at the gateway."""
    wrk(house.running, folder, 16, 3)  # warm up
    alone = wrk(house.running, folder, 16, 8)
    before = house.running.rss_mib()
    with Peak(house.running.process) as peak:
        began = time.perf_counter()
        house.pull(loads)
        house.wait()
        seconds = time.perf_counter() - began
    house.forget([load.name for load in loads])
    house.limit(BESIDE_BYTES_PER_S)
    house.pull(loads)
    beside = wrk(house.running, folder, 16, 8)
    house.end(loads)
    house.limit(None)
    house.pull(loads)
    full = wrk(house.running, folder, 16, 8)
    house.end(loads)
    return Many(seconds, peak.mib - before, alone.p99_ms, beside.p99_ms, full.p99_ms)


def limited(house: House, loads: Sequence[Load]) -> float:
    """The rate of eight downloads under a limit, as a share of it."""
    house.limit(LIMIT)
    house.pull(loads)
    time.sleep(3)
    began, before = time.perf_counter(), house.received()
    time.sleep(LIMIT_S)
    share = (house.received() - before) / (time.perf_counter() - began) / LIMIT
    house.end(loads)
    house.limit(None)
    return share


def budgets(fetched: Sequence[Fetched], verify: tuple[float, float], fifty: Many, share: float) -> Iterator[Budget]:
    """The design's promises (section 7) and issue 3's."""
    by_name = {each.name: each for each in fetched}
    speed = by_name["aria2c"].seconds / by_name["roundhouse"].seconds
    yield Budget("speed beside aria2c, proof included", speed, "≥ 0.9", speed >= 0.9)
    ratio = verify[1] / verify[0]
    yield Budget("verify beside openssl dgst", ratio, "≥ 0.9", ratio >= 0.9)
    yield Budget("memory that 50 downloads add, MiB", fifty.extra_mib, "≤ 50", fifty.extra_mib <= 50)
    slower = fifty.p99_beside_ms / fifty.p99_alone_ms
    yield Budget("gateway's p99 beside 50 downloads at 50 MiB/s, times", slower, "≤ 2", slower <= 2)
    slower = fifty.p99_full_ms / fifty.p99_alone_ms
    yield Budget("gateway's p99 beside 50 downloads at full speed, times", slower, "≤ 2", slower <= 2)
    yield Budget("8 downloads under 10 MiB/s, share of it", share, "0.9 to 1.1", 0.9 <= share <= 1.1)


def report(
    options: argparse.Namespace, fetched: Sequence[Fetched], verify: tuple[float, float], found: Sequence[Budget]
) -> str:
    """The page."""
    ours = next(each for each in fetched if each.name == "roundhouse")
    rows = [
        [
            e.name,
            f"{e.seconds:.2f} s",
            f"{options.mib / e.seconds:,.0f} MiB/s",
            f"{e.seconds / ours.seconds:.2f}",
            f"{e.peak_mib:.0f} MiB",
        ]
        for e in fetched
    ]
    verdicts = [[b.what, f"{b.measured:,.2f}", b.wanted, "kept" if b.kept else "**missed**"] for b in found]
    return "\n".join(
        [
            "# Getting a model",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {machine()}; medians of {options.rounds} rounds.",
            f"A file of {options.mib:,} MiB from nginx on loopback to the same disk, its sha256 proven by everybody.",
            "",
            *table(["", "time", "rate", "time, times ours", "peak memory"], rows),
            "",
            f"`models verify` of that file: {verify[0]:.2f} s; `openssl dgst -sha256`: {verify[1]:.2f} s.",
            "",
            *table(["budget", "measured", "wanted", ""], verdicts),
            "",
            "How each ran:",
            "",
            *(f"- {each.name}: {each.how}" for each in fetched),
            "",
        ]
    )


def main() -> int:
    """Measure, print, write; 1 when a budget is missed and somebody asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=2048, help="of the one large file")
    parser.add_argument("--check", action="store_true", help="exit 1 when a budget is missed")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nobody is left running
    with tempfile.TemporaryDirectory(prefix="roundhouse-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx gives up its rights before it reads
        text, found = measure(folder, options)
    print(text)
    (RESULTS / "transfers.md").write_text(text, encoding="utf-8")
    return int(options.check and not all(budget.kept for budget in found))


def measure(folder: Path, options: argparse.Namespace) -> tuple[str, list[Budget]]:
    """All of it."""
    site = folder / "site"
    site.mkdir(mode=0o755)
    large = make(site, "model.gguf", options.mib)
    small = [make(site, f"small-{number}.gguf", MANY_MIB) for number in range(MANY)]
    with running(nginx(folder), folder) as upstream, file_server(folder, site, large) as url:
        for load in (large, *small):
            load.url = f"{url}/{load.path.name}"
        who = roundhouse(upstream.contestant.url, folder)
        home = folder / "roundhouse"
        with (home / "roundhouse.toml").open("a", encoding="utf-8") as settings:
            settings.write(f"[downloads]\nmax_concurrent = {MANY}\n")
        with running(who, folder) as process:
            house = House(process, home)
            fetched = fetch_all(folder, house, large, options.rounds)
            verify = verify_both(house, large, options.rounds)
            fifty = many(folder, house, small)
            share = limited(house, small[:LIMITED])
    shutil.rmtree(site)
    found = list(budgets(fetched, verify, fifty, share))
    return report(options, fetched, verify, found), found


if __name__ == "__main__":
    sys.exit(main())
