"""Signs of life for a client that waits for a stream: what it waits for, or just that we are there."""

from __future__ import annotations

from typing import Protocol

from roundhouse.gateway.exchange import Exchange
from roundhouse.gateway.vigil import Patience
from roundhouse.serving.admission.rules import Waiting


class Tells(Protocol):
    """Whoever knows what a request waits for: ``serving.Serving``."""

    def waiting(self, request_id: str) -> Waiting | None:
        """What its client is told; ``None`` when there is nothing to tell."""


class Signs:
    """The signs of one stream; called once per beat."""

    __slots__ = ("_beats", "_every", "_exchange", "_tells")

    def __init__(self, tells: Tells, exchange: Exchange, patience: Patience) -> None:
        self._tells = tells
        self._exchange = exchange
        #: Beats without news until a bare keep-alive is due.
        self._every = max(1, round(patience.keep_alive / patience.beat))
        self._beats = 0

    async def __call__(self) -> None:
        """Tell what there is to tell; now and then, that there is nothing."""
        waiting = self._tells.waiting(self._exchange.request_id)
        self._beats += 1
        if waiting is not None or self._beats >= self._every:
            self._beats = 0
            await self._exchange.keep_alive(waiting)
