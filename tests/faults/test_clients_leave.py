"""Five hundred clients that hang up, in the queue and in the middle of their answers: nothing of them stays (G6)."""

import asyncio
import itertools
import json
from collections.abc import Sequence

import pytest

from roundhouse.access.principal import LOCAL_USER
from roundhouse.core.clock import SystemClock
from roundhouse.core.ledger import UsageRecord
from roundhouse.gateway import Gateway, ModelEntry
from roundhouse.gateway.asgi import Message, Scope
from roundhouse.gateway.vigil import Patience
from roundhouse.health.standing import Standings
from roundhouse.routing.snapshot import Snapshot
from roundhouse.serving.admission.gates import Gates
from roundhouse.serving.admission.rules import GateRules
from roundhouse.serving.serve import Serving
from roundhouse.testing.backend import FakeBackend, a_deployment

pytestmark = pytest.mark.slow

CLIENTS, SLOTS = 500, 20
CHAT: dict[str, object] = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
#: What they ask for, and where.
ASKED: dict[str, tuple[str, dict[str, object]]] = {
    "stream": ("/v1/chat/completions", {**CHAT, "stream": True}),
    "chat": ("/v1/chat/completions", CHAT),
    "completion": ("/v1/completions", {"model": "tiny", "prompt": "hi"}),
    "embedding": ("/v1/embeddings", {"model": "tiny", "input": "hi"}),
}


class Nothing:
    """No models to list."""

    def listed(self) -> Sequence[ModelEntry]:
        """None."""
        return ()

    def find(self, _name: str) -> ModelEntry | None:
        """None."""
        return None


class House:
    """A gateway over one backend that holds its answers, streams after the first piece."""

    def __init__(self) -> None:
        self.backend = FakeBackend("a")
        self.backend.hold(after_pieces=1)
        clock, numbers, snapshot = SystemClock(), itertools.count(), Snapshot.build([a_deployment("a/tiny")])
        self.gates = Gates(clock.monotonic, {"a": GateRules(max_concurrent=SLOTS, most_waiting=CLIENTS)})
        self.standings, self.records = Standings(lambda: 0.5), list[UsageRecord]()
        serving = Serving(
            {"a": self.backend}, lambda: snapshot, self.standings, self.records.append, clock, gates=self.gates
        )
        patience = Patience(watch_after=0.0)
        self.app = Gateway(serving, lambda _: LOCAL_USER, Nothing(), lambda: f"r{next(numbers)}", patience=patience)

    async def serve(self, asked: str, leaves: asyncio.Event) -> None:
        """One client that asks, and hangs up when it is told to."""
        path, wish = ASKED[asked]
        scope: Scope = {"type": "http", "method": "POST", "path": path, "headers": []}
        body = json.dumps(wish).encode()
        inbox: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if inbox:
                return inbox.pop()
            await leaves.wait()
            return {"type": "http.disconnect"}

        async def send(_message: Message) -> None:
            return

        await self.app(scope, receive, send)


@pytest.mark.parametrize("asked", ASKED)
async def test_five_hundred_who_hang_up_leave_nothing(asked: str) -> None:
    """No task, no call at the backend, no busy slot, no place in the queue; and a record for each."""
    house, leaves, before = House(), asyncio.Event(), len(asyncio.all_tasks())
    clients = [asyncio.ensure_future(house.serve(asked, leaves)) for _ in range(CLIENTS)]
    gate = house.gates.of("a")
    async with asyncio.timeout(30):
        while gate.queued < CLIENTS - SLOTS:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        await house.backend.waiting.wait()
        leaves.set()
        await asyncio.gather(*clients)
    print(f"{CLIENTS} clients left, {SLOTS} of them in the middle of an answer")
    assert (0, 0, 0) == (gate.queued, gate.in_flight, sum(each.in_flight for each in house.standings.values()))
    assert ["client_closed"] * CLIENTS == [record.outcome for record in house.records]
    assert (before, SLOTS) == (len(asyncio.all_tasks()), len(house.backend.calls))
    assert house.backend.streams_ended == (SLOTS if asked == "stream" else 0)
