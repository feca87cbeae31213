"""The last calls to each deployment, and its hours until somebody takes them. Knows nothing about what is done with it.

Fed with usage records, after the request: nothing here is on the way of one. Memory is bounded by construction.
"""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict
from collections.abc import Sequence

from roundhouse.core.figures import HourOf, Tally
from roundhouse.core.ledger import AttemptRecord, UsageRecord

_LAST = 1_000
#: Deployments that are remembered; each takes 20 KB.
_MOST = 4_096
_HOUR_S = 3600
_FINE = frozenset({"ok", "client_closed"})


class Last:
    """The last values of something, so many at most."""

    __slots__ = ("_next", "_values")

    def __init__(self) -> None:
        self._values = array("f")
        self._next = 0

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: float) -> None:
        """Remember one, in the place of the oldest when there are too many."""
        if len(self._values) < _LAST:
            self._values.append(value)
        else:
            self._values[self._next] = value
            self._next = (self._next + 1) % _LAST

    def percentiles(self, *shares: float) -> list[float] | None:
        """What that share of them was at most, each; ``None`` when there are none."""
        ordered = sorted(self._values)
        if not ordered:
            return None
        return [ordered[max(0, math.ceil(share * len(ordered)) - 1)] for share in shares]


class Calls:
    """The last calls to one deployment."""

    __slots__ = ("first_token_ms", "latency_ms", "load_ms", "queue_ms", "tokens_per_s")

    def __init__(self) -> None:
        self.latency_ms, self.first_token_ms, self.queue_ms, self.tokens_per_s = Last(), Last(), Last(), Last()
        self.load_ms = Last()


class History:
    """What all deployments have been like."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, Calls] = OrderedDict()
        self._hours: dict[tuple[int, str, str], Tally] = {}
        self._new: set[tuple[int, str, str]] = set()

    def observe(self, record: UsageRecord) -> None:
        """Take one finished request."""
        hour = int(record.at.timestamp()) // _HOUR_S
        if record.cache is not None:
            if record.backend is not None and record.model is not None:
                self._tally(hour, record.backend, record.model).cache_hits += 1
            return
        for number, attempt in enumerate(record.attempts, 1):
            backend, _, model = attempt.deployment.partition("/")
            tally = self._tally(hour, backend, model)
            tally.requests += 1
            if attempt.outcome not in _FINE:
                tally.errors[attempt.outcome] = tally.errors.get(attempt.outcome, 0) + 1
            elif number == len(record.attempts) and attempt.outcome == "ok":
                self._answered(tally, record, attempt)

    def loaded(self, hour: int, deployment: str, load_s: float) -> None:
        """Take what bringing its weights into memory took."""
        backend, _, model = deployment.partition("/")
        self._of(deployment).load_ms.add(load_s * 1e3)
        self._tally(hour, backend, model).load.add(load_s * 1e3)

    def calls(self, deployment: str) -> Calls:
        """The last ones; empty for a deployment that nobody called."""
        return self._calls.get(deployment) or Calls()

    def take(self, hour_now: int) -> list[HourOf]:
        """Give the hours in which something is new, each whole; those that are long over are forgotten."""
        taken = [HourOf(*key, self._hours[key]) for key in sorted(self._new)]
        self._new.clear()
        for key in [key for key in self._hours if key[0] < hour_now - 1]:
            del self._hours[key]
        return taken

    def give_back(self, hours: Sequence[HourOf]) -> None:
        """Take *hours* back, which could not be written: they are given again."""
        for each in hours:
            key = (each.hour, each.backend, each.model)
            if key not in self._hours:
                self._hours[key] = each.tally
            elif self._hours[key] is not each.tally:
                self._hours[key].merge(each.tally)
            self._new.add(key)

    def _answered(self, tally: Tally, record: UsageRecord, attempt: AttemptRecord) -> None:
        calls, lasted_ms = self._of(attempt.deployment), attempt.duration_ms
        calls.latency_ms.add(lasted_ms)
        calls.queue_ms.add(attempt.queued_ms)
        tally.queue.add(attempt.queued_ms)
        tally.latency.add(lasted_ms)
        tally.prompt_tokens += record.prompt_tokens
        tally.completion_tokens += record.completion_tokens
        if attempt.first_token_ms is not None:
            calls.first_token_ms.add(attempt.first_token_ms)
            tally.first_token.add(attempt.first_token_ms)
        if record.completion_tokens:
            tally.busy_s += attempt.making_s
        if record.tokens_per_s is not None:
            calls.tokens_per_s.add(record.tokens_per_s)

    def _of(self, deployment: str) -> Calls:
        calls = self._calls.get(deployment)
        if calls is None:
            calls = self._calls[deployment] = Calls()
            if len(self._calls) > _MOST:
                self._calls.popitem(last=False)
        return calls

    def _tally(self, hour: int, backend: str, model: str) -> Tally:
        key = (hour, backend, model)
        self._new.add(key)
        return self._hours.setdefault(key, Tally())
