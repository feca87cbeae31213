"""What one LM Studio has in memory, as far as it was told, who uses it and which of it is ours. Knows no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from roundhouse.backends.kinds.lmstudio.facts import Known
from roundhouse.core.clock import Clock


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(slots=True, eq=False)
class Copy:
    """One copy of a model in memory."""

    model: str
    #: What it is called there: only by that can it be asked for and unloaded.
    instance: str
    #: Tokens that fit; ``None`` when nobody told.
    context: int | None
    #: When we first heard of it, and when it was last used.
    since: float
    used: float
    #: Loaded by us: nobody else counts on it.
    is_ours: bool = False
    #: Seconds without a request after which it may go; ``None`` is for ever.
    keep_s: float | None = None
    #: Requests that are on their way.
    busy: int = 0
    #: Set while there are none.
    idle: asyncio.Event = field(default_factory=_set)


class Copies:
    """The copies in memory of one LM Studio."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._copies: dict[str, Copy] = {}
        #: When each model was last known to be as it says here.
        self._confirmed: dict[str, float] = {}
        #: When what is not there any more was let go of.
        self._left: dict[str, float] = {}

    def of(self, model: str) -> list[Copy]:
        """The copies of one model."""
        return [copy for copy in self._copies.values() if copy.model == model]

    def age(self, model: str) -> float:
        """Seconds since what is known of its copies was last seen to be true; none while one is in use."""
        if any(copy.busy for copy in self.of(model)):
            return 0.0
        return self._clock.monotonic() - self._confirmed.get(model, float("-inf"))

    def listed(self, known: Sequence[Known], asked_at: float) -> None:
        """Take over what a list says that was asked for at *asked_at*: what happened since is newer."""
        told = {each.id: (model.key, each.context) for model in known for each in model.instances}
        for instance, copy in list(self._copies.items()):
            if instance not in told and copy.since < asked_at:
                del self._copies[instance]
        for instance, (model, context) in told.items():
            if self._left.get(instance, float("-inf")) >= asked_at:
                continue
            there = self._copies.get(instance)
            if there is None or there.model != model:
                self._copies[instance] = Copy(model, instance, context, asked_at, asked_at)
            else:
                there.context = context or there.context
        self._left = {instance: at for instance, at in self._left.items() if at >= asked_at}
        self._confirmed = {each.key: max(asked_at, self._confirmed.get(each.key, asked_at)) for each in known}

    def loaded(self, model: str, instance: str, context: int | None, keep_s: float | None) -> Copy:
        """Note a copy that we had loaded just now."""
        now = self._clock.monotonic()
        copy = Copy(model, instance, context, now, now, is_ours=True, keep_s=keep_s)
        self._copies[instance] = copy
        self._left.pop(instance, None)
        self._confirmed[model] = now
        return copy

    def drop(self, copy: Copy) -> None:
        """Note that *copy* is not there any more, unless another has taken its name meanwhile."""
        if self._copies.get(copy.instance) is copy:
            del self._copies[copy.instance]
            self._left[copy.instance] = self._clock.monotonic()

    def keep(self, copy: Copy) -> None:
        """Note that *copy* is still there, for it could not be let go of."""
        self._left.pop(copy.instance, None)
        self._copies.setdefault(copy.instance, copy)

    def doubt(self) -> None:
        """Take nothing for granted until the next look."""
        self._confirmed.clear()

    def spare(self) -> Copy | None:
        """The copy of ours that was not used for longest, if one is idle."""
        return min((each for each in self._copies.values() if each.is_ours and not each.busy), key=_used, default=None)

    def outstayed(self) -> list[Copy]:
        """Copies of ours that nobody asked for as long as they were to be kept."""
        now = self._clock.monotonic()
        ours = (copy for copy in self._copies.values() if copy.is_ours and not copy.busy)
        return [copy for copy in ours if copy.keep_s is not None and now - copy.used >= copy.keep_s]

    @contextmanager
    def using(self, copy: Copy) -> Iterator[None]:
        """While a request is on its way to *copy*; what ends well is proof that it is there."""
        copy.busy += 1
        copy.idle.clear()
        try:
            yield
            self._confirmed[copy.model] = self._clock.monotonic()
        finally:
            copy.used = self._clock.monotonic()
            copy.busy -= 1
            if not copy.busy:
                copy.idle.set()


def _used(copy: Copy) -> float:
    return copy.used
