"""How long a choice takes among 1,000 and 10,000 deployments, and what serving adds to a request.

    python benchmarks/routing.py

Prints a table and writes it to ``benchmarks/results/routing.md``. One process, one thread; medians, so that what else
runs on the machine weighs little.
"""

from __future__ import annotations

import asyncio
import platform
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from roundhouse.core.clock import SystemClock
from roundhouse.core.inference import (
    Answer,
    Capability,
    Deployment,
    InferenceRequest,
    Operation,
    Price,
    Profile,
    Residency,
    TokenUsage,
)
from roundhouse.health.standing import Standings
from roundhouse.routing.choose import choose, explain
from roundhouse.routing.snapshot import Snapshot
from roundhouse.serving.admission.gate import Gate
from roundhouse.serving.admission.rules import GateRules
from roundhouse.serving.serve import Serving
from roundhouse.testing.backend import FakeBackend, a_deployment, a_request

RESULTS = Path(__file__).parent / "results" / "routing.md"
#: Deployments of one model: what a team has of the model that everybody uses.
PER_MODEL = 5
NOW = 1_000.0
BUDGET_US = {1_000: 100.0, 10_000: 1_000.0}
HUNDRED_BUDGET_US = 20_000.0
SERVING_BUDGET_US = 60.0
GATE_BUDGET_US = 5.0


def catalogue(size: int) -> list[Deployment]:
    """So many deployments with the variety of real ones."""
    rng = random.Random(size)
    chat = frozenset({Capability.CHAT, Capability.COMPLETION})
    return [
        Deployment(
            backend=f"backend-{number % PER_MODEL}",
            model=f"model-{number // PER_MODEL}",
            upstream="m",
            capabilities=rng.choice([chat, chat | {Capability.TOOLS}, frozenset({Capability.EMBEDDING})]),
            context=rng.choice([None, 4_096, 32_768, 131_072]),
            price=rng.choice([None, Price(0.0, 0.0), Price(rng.random() * 1e-5, rng.random() * 3e-5)]),
            residency=rng.choice(list(Residency)),
        )
        for number in range(size)
    ]


def standings_of(deployments: list[Deployment]) -> Standings:
    """Each of them has answered once."""
    rng = random.Random(1)
    standings = Standings(rng.random)
    for deployment in deployments:
        permit = standings.of(deployment.id, deployment.backend).admit(NOW)
        if permit:
            permit.succeeded(NOW, rng.uniform(100.0, 5_000.0))
    return standings


def median_us(work: Callable[[], object], times: int) -> float:
    """The median duration of *work*, in microseconds."""
    samples = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        samples.append(time.perf_counter() - start)
    return statistics.median(samples) * 1e6


def measure(size: int) -> list[tuple[str, float, float | None]]:
    """What a choice among *size* deployments takes, in several situations: name, microseconds, budget."""
    deployments = catalogue(size)
    snapshot = Snapshot.build(deployments)
    some = standings_of(random.Random(2).sample(deployments, 50))
    everyone = standings_of(deployments)
    model = next(each.model for each in deployments if Capability.CHAT in each.capabilities)
    named, auto = (Profile(Operation.CHAT, name, frozenset({Capability.CHAT}), 300) for name in (model, "auto"))

    def of(profile: Profile, standings: Standings, times: int = 300) -> float:
        return median_us(lambda: choose(profile, snapshot, standings, NOW), times)

    def hundred() -> None:
        for _ in range(100):
            choose(named, snapshot, everyone, NOW)

    budget = BUDGET_US[size]
    return [
        (f"{size:,}: a model by name, all tried lately", of(named, everyone), budget),
        (f"{size:,}: `auto`, none tried", of(auto, Standings(random.random)), budget),
        (f"{size:,}: `auto`, 50 tried lately", of(auto, some), budget),
        (f"{size:,}: `auto`, all tried lately", of(auto, everyone, 50), budget),
        (f"{size:,}: 100 choices by name at once", median_us(hundred, 20), HUNDRED_BUDGET_US),
        (
            f"{size:,}: explain `auto` with every reason",
            median_us(lambda: explain(auto, snapshot, everyone, NOW), 10),
            None,
        ),
        (f"{size:,}: index all deployments anew", median_us(lambda: Snapshot.build(deployments), 10), None),
    ]


class Instant(FakeBackend):
    """A backend that costs nothing, so that what is left is ours."""

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:  # noqa: ARG002 - a port's method
        """Answer at once."""
        return Answer(b"{}", TokenUsage(5, 3))


async def gate_us() -> float:
    """What the gate of an unlimited backend adds: a slot taken and left."""
    gate, deployment = Gate("a", GateRules(), SystemClock().monotonic), a_deployment("a/tiny")

    def through() -> None:
        slot = gate.take(deployment)
        if slot is not None:
            slot.leave()

    return median_us(through, 5_000)


async def serving_us(rounds: int = 40, times: int = 500) -> float:
    """What serving adds to one request: the choice, the attempt, the figures, the record."""
    snapshot = Snapshot.build([a_deployment("a/tiny", price=Price(1e-6, 2e-6)), a_deployment("b/tiny")])
    backends = {"a": Instant("a"), "b": Instant("b")}
    serving = Serving(backends, lambda: snapshot, Standings(random.random), lambda _: None, SystemClock())
    request = a_request()
    samples = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(times):
            await serving.answer(request)
        samples.append((time.perf_counter() - start) / times)
    return statistics.median(samples) * 1e6


def main() -> None:
    """Measure, print, write."""
    rows = [row for size in BUDGET_US for row in measure(size)]
    rows.append(("serving, per request, two deployments", asyncio.run(serving_us()), SERVING_BUDGET_US))
    rows.append(("the gate of an unlimited backend, in and out", asyncio.run(gate_us()), GATE_BUDGET_US))
    lines = ["| choice among | median µs | budget µs | |", "|---|---:|---:|---|"]
    for name, taken, budget in rows:
        verdict = "" if budget is None else "kept" if taken <= budget else f"missed, {taken / budget:.1f} times as long"
        lines.append(f"| {name} | {taken:,.1f} | {'' if budget is None else f'{budget:,.0f}'} | {verdict} |")
    table = "\n".join(lines)
    print(table)
    RESULTS.parent.mkdir(exist_ok=True)
    heading = f"# Routing\n\n`python benchmarks/routing.py`, Python {platform.python_version()}, one core.\n"
    RESULTS.write_text(f"{heading}\n{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
