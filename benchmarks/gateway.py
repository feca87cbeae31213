"""What the gateway costs: wrk → gateway → nginx, beside LiteLLM's proxy and Portkey's gateway in the same run.

    python -m benchmarks.gateway [--rounds 3] [--seconds 5] [--no-peers] [--check]

Every contestant gets the same 1 KiB chat body, the same upstream and the same connections, in turn, for several
rounds; the figures are medians over the rounds. It then measures how late the pieces of 200 streams arrive, and
prints the table, which also goes to ``benchmarks/results/``. With ``--check`` it exits with 1 when a budget is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from benchmarks import streams
from benchmarks.contestants import (
    ANSWER,
    BODY,
    MODELS,
    ROOT,
    Contestant,
    Running,
    answers,
    litellm,
    nginx,
    portkey,
    roundhouse,
    running,
)

RESULTS = ROOT / "benchmarks" / "results"
STREAM_BODY = BODY[:-1] + ',"stream":true}'
#: wrk's own script: the request, and its figures as JSON.
LUA = """
wrk.method = "POST"
wrk.body = {body}
wrk.headers["content-type"] = "application/json"
{headers}
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{{"requests":%d,"us":%d,"p50_us":%d,"p99_us":%d,"errors":%d}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk said."""

    rate: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Result:
    """One contestant, medians over the rounds."""

    name: str
    version: str
    settings: str
    #: At 16 connections and at one.
    many: Load
    one: Load
    ready_s: float
    rss_mib: float
    streams: streams.Delays | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """A promise of the design, and what became of it."""

    what: str
    measured: float
    wanted: str
    kept: bool


def main() -> int:
    """Measure, print, write; 1 when a budget is missed and somebody asked."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nobody is left running
    results = _measure(options)
    budgets = list(_budgets(results))
    report = _report(results, budgets, options)
    print(report)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "gateway.md").write_text(report, encoding="utf-8")
    content = {"results": [asdict(each) for each in results], "budgets": [asdict(each) for each in budgets]}
    (RESULTS / "gateway.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return int(options.check and not all(budget.kept for budget in budgets))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each run of wrk")
    parser.add_argument("--no-peers", action="store_true", help="only Roundhouse and the upstream itself")
    parser.add_argument("--check", action="store_true", help="exit 1 when a budget is missed")
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> list[Result]:
    with tempfile.TemporaryDirectory(prefix="roundhouse-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx gives up its rights before it writes its temporary files
        results = _all_loads(options, folder)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            delays = runner.run(_all_streams([result.name for result in results], folder))
    return [replace(result, streams=delays.get(result.name)) for result in results]


def _contestants(upstream: str, folder: Path, *, peers: bool) -> list[Contestant]:
    """Whoever can be started here; a peer that is not installed is named and left out."""
    ours = roundhouse(upstream, folder)
    if not peers:
        return [ours]
    found = {"litellm": litellm(upstream, folder), "portkey": portkey(upstream)}
    for name in [name for name, peer in found.items() if peer is None]:
        print(f"{name} is not installed; left out", file=sys.stderr)
    return [ours, *(peer for peer in found.values() if peer is not None)]


def _all_loads(options: argparse.Namespace, folder: Path) -> list[Result]:
    """Start everybody, one after the other; then measure in turn, so that a slow minute of the machine hits all."""
    with ExitStack() as stack:
        upstream = stack.enter_context(running(nginx(folder), folder))
        starting = _contestants(upstream.contestant.url, folder, peers=not options.no_peers)
        everybody = [upstream, *(stack.enter_context(running(each, folder)) for each in starting)]
        for each in everybody:
            wrk(each, folder, connections=16, seconds=2)  # warm up
        rounds = [
            [(wrk(each, folder, 16, options.seconds), wrk(each, folder, 1, options.seconds)) for each in everybody]
            for _ in range(options.rounds)
        ]
        return [_result(each, [loads[number] for loads in rounds]) for number, each in enumerate(everybody)]


def _result(each: Running, loads: Sequence[tuple[Load, Load]]) -> Result:
    who = each.contestant
    if not answers(who):
        sys.exit(f"{who.name} no longer answers")
    many, one = (_median([pair[side] for pair in loads]) for side in (0, 1))
    return Result(who.name, who.version, who.settings, many, one, each.ready_s, each.rss_mib())


def _median(loads: Sequence[Load]) -> Load:
    return Load(*(statistics.median(getattr(load, name) for load in loads) for name in Load.__slots__))


def wrk(each: Running, folder: Path, connections: int, seconds: int) -> Load:
    """One run of wrk. Any answer but 200 ends the benchmark: a fast error is no performance."""
    who = each.contestant
    headers = "\n".join(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in who.headers.items())
    script = folder / "chat.lua"
    script.write_text(LUA.format(body=json.dumps(BODY), headers=headers), encoding="utf-8")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script)]
    done = subprocess.run([*command, f"{who.url}/v1/chat/completions"], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    if said["errors"] or not said["requests"]:
        sys.exit(f"{who.name} failed under load:\n{done.stdout}")
    load = Load(said["requests"] / said["us"] * 1e6, said["p50_us"] / 1e3, said["p99_us"] / 1e3)
    print(
        f"{who.name:16} {connections:3} connections {load.rate:9,.0f} req/s  p50 {load.p50_ms:.3f} ms", file=sys.stderr
    )
    return load


async def _all_streams(names: Sequence[str], folder: Path) -> dict[str, streams.Delays]:
    """The same streams through everybody who took part, each started for itself."""
    shape = streams.Shape()
    plain = {"/v1/models": json.dumps(MODELS), "/v1/chat/completions": json.dumps(ANSWER)}
    upstream = await streams.start_upstream(shape, plain)
    url = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}"
    found = {"direct (nginx)": await streams.measure(url, STREAM_BODY, {}, shape)}
    fresh = folder / "streams"
    fresh.mkdir()
    starting = await asyncio.to_thread(_contestants, url, fresh, peers=len(names) > 2)
    for who in starting:
        with ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, running(who, fresh))
            found[who.name] = await streams.measure(who.url, STREAM_BODY, who.headers, shape)
            await asyncio.to_thread(stack.close)
        print(f"{who.name:16} streams: {found[who.name]}", file=sys.stderr)
    upstream.close()
    return found


def _budgets(results: Sequence[Result]) -> Iterator[Budget]:
    """The design's promises (section 7)."""
    by_name = {result.name: result for result in results}
    direct, ours = by_name["direct (nginx)"], by_name["roundhouse"]

    def least(what: str, measured: float, bound: float) -> Budget:
        return Budget(what, measured, f"≥ {bound:g}", measured >= bound)

    def most(what: str, measured: float, bound: float) -> Budget:
        return Budget(what, measured, f"≤ {bound:g}", measured <= bound)

    yield least("req/s at 16 connections", ours.many.rate, 3000)
    yield most("added p50 at 1 connection, ms", ours.one.p50_ms - direct.one.p50_ms, 0.6)
    yield most("RSS after load, MiB", ours.rss_mib, 170)
    if ours.streams and direct.streams:
        yield most("added p99 per chunk, 200 streams of 50/s, ms", ours.streams.p99 - direct.streams.p99, 5)
    for name, times in (("litellm proxy", 40), ("portkey gateway", 3)):
        if peer := by_name.get(name):
            yield least(f"times {name}, req/s", ours.many.rate / peer.many.rate, times)
    if peer := by_name.get("litellm proxy"):
        yield most("ready, share of litellm proxy's time", ours.ready_s / peer.ready_s, 0.35)


def _report(results: Sequence[Result], budgets: Sequence[Budget], options: argparse.Namespace) -> str:
    direct, ours = results[0], results[1]

    def streamed(result: Result) -> str:
        if result.streams is None:
            return "not measured"
        if not result.streams.arrived:
            return "no piece arrived"
        return f"{result.streams.p50:.1f} / {result.streams.p99:.1f} ms, {result.streams.arrived:.0%}"

    columns: Sequence[tuple[str, Callable[[Result], str]]] = (
        ("", lambda result: result.name),
        ("req/s, 16 conn.", lambda result: f"{result.many.rate:,.0f}"),
        ("roundhouse is", lambda result: f"{ours.many.rate / result.many.rate:.2f} times"),
        ("p50 / p99, 16 conn.", lambda result: f"{result.many.p50_ms:.2f} / {result.many.p99_ms:.2f} ms"),
        ("added p50, 1 conn.", lambda result: f"{result.one.p50_ms - direct.one.p50_ms:.3f} ms"),
        ("200 streams: p50 / p99 delay, arrived", streamed),
        ("ready after", lambda result: f"{result.ready_s:.2f} s"),
        ("RSS after load", lambda result: f"{result.rss_mib:.0f} MiB"),
    )
    rows = [[cell(result) for _, cell in columns] for result in results]
    verdicts = [[b.what, f"{b.measured:,.2f}", b.wanted, "kept" if b.kept else "**missed**"] for b in budgets]
    return "\n".join(
        [
            "# The gateway under load",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {machine()};",
            f"medians of {options.rounds} rounds of {options.seconds} s each.",
            "wrk, the gateway and the upstream share the cores. Body: a chat of 1 KiB. Upstream: nginx with a constant",
            "answer; for streams, a loop that writes 50 pieces a second to each of 200 streams.",
            "",
            *table([title for title, _ in columns], rows),
            "",
            *table(["budget", "measured", "wanted", ""], verdicts),
            "",
            "How each ran:",
            "",
            *(f"- {result.name} ({result.version}): {result.settings}" for result in results),
            "",
        ]
    )


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table in Markdown."""
    return [f"| {' | '.join(row)} |" for row in [titles, ["---"] * len(titles), *rows]]


def machine() -> str:
    """What a reader needs to compare: cores, processor, Python."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", info.read_text(encoding="utf-8")) if info.exists() else None
    return f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
