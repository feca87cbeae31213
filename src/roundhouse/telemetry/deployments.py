"""What calls to each deployment were like, in Prometheus' text. Knows nothing about who asks for it.

Models come from lists of others, so there are labels for so many, and the rest of each backend is one `other`. Written
by hand, for a scrape happens on the loop that serves: thousands of samples as objects would hold it up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from roundhouse.core.ledger import AttemptRecord, UsageRecord

#: Deployments that have series of their own.
_MOST = 256
#: A name that is longer has none: what would be left of two such names might be the same.
_LONGEST = 200
_OTHER = "other"
#: Seconds.
_LATENCY = (0.05, 0.25, 1.0, 5.0, 20.0, 60.0, 300.0)
_FIRST_TOKEN = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0)
_QUEUE = (0.01, 0.1, 0.5, 2.0, 10.0, 60.0)
#: Tokens per second.
_SPEED = (2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)

_OURS = "roundhouse_deployment"


@dataclass(frozen=True, slots=True)
class Reading:
    """Something that is as it is now: one value for each set of labels."""

    name: str
    what: str
    rows: Sequence[tuple[Mapping[str, str], float]]


class _Spread:
    """How many took how long, or were how fast."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class _Series:
    """One deployment, or all those of a backend that have none of their own."""

    __slots__ = (
        "cache_hits",
        "completion",
        "first_token",
        "labels",
        "latency",
        "outcomes",
        "prompt",
        "queue",
        "speed",
    )

    def __init__(self, backend: str, deployment: str) -> None:
        self.labels = _labels({"backend": backend, "deployment": deployment})
        self.outcomes: dict[str, int] = {}
        self.cache_hits = self.prompt = self.completion = 0
        self.latency, self.first_token, self.queue = _Spread(_LATENCY), _Spread(_FIRST_TOKEN), _Spread(_QUEUE)
        self.speed = _Spread(_SPEED)

    def tried(self, attempt: AttemptRecord) -> None:
        outcome = attempt.outcome
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.queue.add(attempt.queued_ms / 1e3)
        if outcome == "ok":
            self.latency.add(attempt.duration_ms / 1e3)
            if attempt.first_token_ms is not None:
                self.first_token.add(attempt.first_token_ms / 1e3)

    def answered(self, record: UsageRecord) -> None:
        self.prompt += record.prompt_tokens
        self.completion += record.completion_tokens
        speed = record.tokens_per_s
        if speed is not None:
            self.speed.add(speed)


class DeploymentMetrics:
    """All deployments that were called since the start and are still there."""

    def __init__(self) -> None:
        self._own: dict[str, _Series] = {}
        #: By backend: its name comes from the settings, or is one of the few that are found.
        self._others: dict[str, _Series] = {}

    @property
    def named(self) -> Collection[str]:
        """The ids that have series of their own."""
        return self._own.keys()

    def observe(self, record: UsageRecord) -> None:
        """Count one finished request where it was tried."""
        if record.cache is not None:
            if record.backend is not None:
                self._of(f"{record.backend}/{record.model}").cache_hits += 1
            return
        series = None
        for attempt in record.attempts:
            series = self._of(attempt.deployment)
            series.tried(attempt)
        if series is not None and record.backend is not None:
            series.answered(record)

    def keep(self, ids: Iterable[str]) -> None:
        """Forget those that are gone."""
        kept = set(ids)
        for gone in self._own.keys() - kept:
            del self._own[gone]
        for away in self._others.keys() - {each.partition("/")[0] for each in kept}:
            del self._others[away]

    def render(self, readings: Iterable[Reading] = ()) -> bytes:
        """All of it as text."""
        series = [*self._own.values(), *self._others.values()]
        lines = [*_counters(series), *_histograms(series)]
        for reading in readings:
            lines += _head(reading.name, "gauge", reading.what)
            lines += [f"{reading.name}{{{_labels(labels)}}} {value!r}" for labels, value in reading.rows]
        return "".join(f"{line}\n" for line in lines).encode()

    def _of(self, deployment: str) -> _Series:
        series = self._own.get(deployment)
        return self._add(deployment) if series is None else series

    def _add(self, deployment: str) -> _Series:
        backend = deployment.partition("/")[0]
        if len(self._own) < _MOST and len(deployment) <= _LONGEST and deployment.isprintable():
            series = self._own[deployment] = _Series(backend, deployment)
            return series
        others = self._others.get(backend)
        if others is None:
            others = self._others[backend] = _Series(backend, _OTHER)
        return others


def _counters(series: Sequence[_Series]) -> Iterator[str]:
    yield from _head(f"{_OURS}_calls_total", "counter", "Calls by what became of them: ok, or the code of the error.")
    for each in series:
        for outcome, count in each.outcomes.items():
            yield f'{_OURS}_calls_total{{{each.labels},outcome="{outcome}"}} {count}'
    yield from _head(f"{_OURS}_tokens_total", "counter", "Tokens.")
    for each in series:
        yield f'{_OURS}_tokens_total{{{each.labels},kind="prompt"}} {each.prompt}'
        yield f'{_OURS}_tokens_total{{{each.labels},kind="completion"}} {each.completion}'
    yield from _head(f"{_OURS}_cache_hits_total", "counter", "Requests that a cache answered, or that shared a call.")
    for each in series:
        yield f"{_OURS}_cache_hits_total{{{each.labels}}} {each.cache_hits}"


def _histograms(series: Sequence[_Series]) -> Iterator[str]:
    yield from _head(f"{_OURS}_latency_seconds", "histogram", "Whole answers.")
    for each in series:
        yield from _buckets(f"{_OURS}_latency_seconds", each.labels, each.latency)
    yield from _head(f"{_OURS}_first_token_seconds", "histogram", "Until the first visible piece of a stream.")
    for each in series:
        yield from _buckets(f"{_OURS}_first_token_seconds", each.labels, each.first_token)
    yield from _head(f"{_OURS}_queue_seconds", "histogram", "Waiting for a slot.")
    for each in series:
        yield from _buckets(f"{_OURS}_queue_seconds", each.labels, each.queue)
    yield from _head(f"{_OURS}_tokens_per_second", "histogram", "How fast answers came.")
    for each in series:
        yield from _buckets(f"{_OURS}_tokens_per_second", each.labels, each.speed)


def _buckets(name: str, labels: str, spread: _Spread) -> Iterator[str]:
    count = 0
    for bound, more in zip((*spread.bounds, "+Inf"), spread.counts, strict=True):
        count += more
        yield f'{name}_bucket{{{labels},le="{bound}"}} {count}'
    yield f"{name}_sum{{{labels}}} {spread.total!r}"
    yield f"{name}_count{{{labels}}} {count}"


def _head(name: str, kind: str, what: str) -> tuple[str, str]:
    return f"# HELP {name} {what}", f"# TYPE {name} {kind}"


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
