"""The gate of one backend: takes calls in while there are slots, lets the others wait in order, sheds what is too much.

Belongs to one event loop, so nothing here locks; a call that finds a free slot waits for nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from bisect import insort
from collections.abc import Callable

from roundhouse.core.errors import CapacityError
from roundhouse.core.inference import Deployment, InferenceRequest
from roundhouse.serving.admission.limit import Limit
from roundhouse.serving.admission.order import Hall, Pick, fits, pick
from roundhouse.serving.admission.rules import GateRules, Waiting, due
from roundhouse.serving.verdict import is_overload

#: Weight of the newest call in how long a call takes.
_NEWEST = 0.2
#: When nobody knows how long a call takes, those who were turned away come again after so many seconds.
_COME_AGAIN_S = 5.0


class Slot:
    """A place inside; ``leave`` ends it, once."""

    __slots__ = ("_deployment", "beside", "entered", "gate", "waited_s")

    def __init__(self, gate: Gate, deployment: Deployment, entered: float, waited_s: float) -> None:
        self.gate = gate
        self._deployment = deployment
        self.entered = entered
        #: Calls that were inside already.
        self.beside = gate.in_flight - 1
        #: Seconds spent in the queue.
        self.waited_s = waited_s

    def leave(self, error: BaseException | None = None) -> None:
        """The call is over: it went well, or ended with *error*."""
        self.gate.left(self._deployment, self.entered, error)

    def give_back(self) -> None:
        """It was not used."""
        self.gate.left(self._deployment, None, None)


def _nowhere() -> bool:
    return False


class _Waiter:
    __slots__ = ("arrived", "deployment", "elsewhere", "key", "request_id", "slot", "slots")

    def __init__(
        self,
        request: InferenceRequest,
        deployment: Deployment,
        slots: int | None,
        came: tuple[float, int],
        elsewhere: Callable[[], bool],
    ) -> None:
        self.request_id = request.id
        self.elsewhere = elsewhere
        self.deployment = deployment
        self.slots = slots
        self.arrived, number = came
        #: First come, first served within equal.
        self.key = (due(self.arrived, request.priority), number)
        self.slot: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()

    @property
    def model(self) -> str:
        return self.deployment.upstream


def _key(waiter: _Waiter) -> tuple[float, int]:
    return waiter.key


class Gate:
    """One backend's gate."""

    def __init__(self, name: str, rules: GateRules, now: Callable[[], float]) -> None:
        self.name = name
        self.rules = rules
        self.in_flight = 0
        #: When a piece of a stream, or a whole answer, last came from there.
        self.moved = -math.inf
        self._now = now
        self._limit = Limit(rules.max_concurrent or None)
        self._waiting: list[_Waiter] = []
        self._numbers = itertools.count()
        #: Calls under way by model, where it matters.
        self._busy: dict[str, int] = {}
        #: Whether it holds one model at a time, and the one that was asked for last, with the time of the first call.
        self._is_alone = bool(rules.one_at_a_time)
        self._held: str | None = None
        self._since = 0.0
        #: Seconds that a call takes, on average.
        self._call_s: float | None = None
        self._again: asyncio.TimerHandle | None = None
        #: Made for whoever waits for the last one to leave.
        self._empty: asyncio.Event | None = None

    @property
    def limit(self) -> float:
        """Calls that may be under way now; infinity when nobody set or taught one."""
        return self._limit.now

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    def take(self, deployment: Deployment) -> Slot | None:
        """A slot, at once; ``None`` when the call has to wait."""
        if self.rules.one_at_a_time is None:
            self._is_alone = deployment.traits.alone
        if self._waiting or self.in_flight >= self._limit.now:
            return None
        model, slots = deployment.upstream, self._slots_of(deployment)
        if slots is not None and self._busy.get(model, 0) >= slots:
            return None
        if self._is_alone and self._held not in {None, model}:
            return None
        return self._enter(deployment, self._now(), 0.0)

    async def wait(
        self, request: InferenceRequest, deployment: Deployment, elsewhere: Callable[[], bool] = _nowhere
    ) -> Slot:
        """A slot, in turn; leaving the queue is being cancelled. *elsewhere* says whether somebody else is free.

        Raises CapacityError: the queue is full, or the backend fell ill and somebody else is there.
        """
        came = (self._now(), next(self._numbers))
        waiter = _Waiter(request, deployment, self._slots_of(deployment), came, elsewhere)
        self._join(waiter)
        self._advance()
        try:
            return await waiter.slot
        except asyncio.CancelledError:
            self._drop(waiter)
            raise

    def turn_away(self, backend: str) -> None:
        """Let those who wait for *backend*, which is ill, go where they can be served; the others may as well wait."""
        for waiter in [each for each in self._waiting if each.deployment.backend == backend and each.elsewhere()]:
            self._waiting.remove(waiter)
            if not waiter.slot.done():
                waiter.slot.set_exception(CapacityError(f"{backend} fell ill while it was waited for"))
        self._advance()
        self._tell_if_empty()

    def waiting(self, request_id: str) -> Waiting | None:
        """What the client of *request_id* is told; ``None`` when it does not wait here."""
        for index, waiter in enumerate(self._waiting):
            if waiter.request_id == request_id:
                position = index + 1
                return Waiting("queued", waiter.deployment.model, self.name, position, self._eta_s(position))
        return None

    def left(self, deployment: Deployment, entered: float | None, error: BaseException | None) -> None:
        """A call is out; *entered* is ``None`` when there was none."""
        model, now, inside = deployment.upstream, self._now(), self.in_flight
        self.in_flight -= 1
        left = self._busy[model] - 1
        if left:
            self._busy[model] = left
        else:
            del self._busy[model]
        if error is not None:
            if is_overload(error, local=deployment.local):
                self._limit.overloaded(inside, now)
        elif entered is not None:
            self.moved, took_s = now, now - entered
            self._call_s = took_s if self._call_s is None else self._call_s + _NEWEST * (took_s - self._call_s)
            self._limit.succeeded(inside, now)
        if self._waiting:
            self._advance()
        elif self._empty is not None:
            self._tell_if_empty()

    async def emptied(self) -> None:
        """Until nobody is inside, and nobody waits."""
        if self._empty is None or self._empty.is_set():  # it was empty once, for somebody else
            self._empty = asyncio.Event()
        self._tell_if_empty()
        await self._empty.wait()

    def _tell_if_empty(self) -> None:
        if self._empty is not None and not self._waiting and not self.in_flight:
            self._empty.set()

    def _enter(self, deployment: Deployment, now: float, waited_s: float) -> Slot:
        model = deployment.upstream
        self.in_flight += 1
        self._busy[model] = self._busy.get(model, 0) + 1
        if model != self._held:
            self._held, self._since = model, now
        return Slot(self, deployment, now, waited_s)

    def _slots_of(self, deployment: Deployment) -> int | None:
        """Calls that this model gets at a time, whatever the others get; ``None`` is any number."""
        traits = deployment.traits
        return traits.slots_usual if traits.slots is None and self.rules.max_concurrent is None else traits.slots

    def _join(self, waiter: _Waiter) -> None:
        """Queue up; when the queue is full, whoever would be the last is turned away."""
        waiting = self._waiting
        if len(waiting) >= self.rules.most_waiting:
            if self._goes_at_once(waiter):
                pass
            elif not waiting or waiter.key > waiting[-1].key:
                raise self._full(waiter)
            else:
                shed = waiting.pop()
                if not shed.slot.done():
                    shed.slot.set_exception(self._full(shed))
        insort(waiting, waiter, key=_key)

    def _goes_at_once(self, waiter: _Waiter) -> bool:
        """Whether those in the queue wait for other models, and this one has room."""
        has_room = self.in_flight < self._limit.now and not self._is_alone
        return has_room and fits(waiter.model, waiter.slots, self._hall())

    def _drop(self, waiter: _Waiter) -> None:
        """Let one go who was cancelled; what it was just given goes to the next."""
        if waiter.slot.done() and not waiter.slot.cancelled():
            if waiter.slot.exception() is None:
                waiter.slot.result().give_back()
            return
        if waiter in self._waiting:
            self._waiting.remove(waiter)
            # It may have been the one for whom the others were kept out.
            self._advance()
            self._tell_if_empty()

    def _advance(self) -> None:
        """Take in as many as may enter."""
        if self._again is not None:
            self._again.cancel()
            self._again = None
        now, found = self._now(), Pick()
        while self._waiting and self.in_flight < self._limit.now:
            found = pick(self._waiting, self._hall(), self.rules, now)
            if found.place is None:
                break
            waiter = self._waiting.pop(found.place)
            if not waiter.slot.done():
                waiter.slot.set_result(self._enter(waiter.deployment, now, now - waiter.arrived))
        if found.again_s is not None:
            self._again = asyncio.get_running_loop().call_later(found.again_s, self._advance)

    def _hall(self) -> Hall:
        return Hall(self._busy, self._held if self._is_alone else None, self._since)

    def _eta_s(self, position: int) -> float | None:
        return None if self._call_s is None else self._call_s * position / max(1, self.in_flight)

    def _full(self, waiter: _Waiter) -> CapacityError:
        position = len(self._waiting) + 1
        eta_s = self._eta_s(position)
        message = f"{self.name} is busy, and {len(self._waiting)} requests wait for it already"
        details = {"backend": self.name, "model": waiter.deployment.model, "position": position, "eta_s": eta_s}
        retry_after_s = _COME_AGAIN_S if eta_s is None else max(1.0, eta_s)
        return CapacityError(message, hint="try again later", retry_after_s=retry_after_s, details=details)
