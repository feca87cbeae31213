"""Whatever backends do: one record per request, nothing left running, nobody tried after the first token."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.core.errors import (
    BackendError,
    CapacityError,
    DeadlineError,
    LimitError,
    NetworkError,
    RoundhouseError,
    SchemaError,
)
from roundhouse.core.inference import Chunk
from roundhouse.core.ledger import UsageRecord
from roundhouse.health.standing import Standings
from roundhouse.routing.snapshot import Snapshot
from roundhouse.serving.serve import Serving
from roundhouse.testing.backend import FakeBackend, a_deployment, a_request
from roundhouse.testing.clock import FakeClock

ERRORS = [BackendError, NetworkError, LimitError, CapacityError, DeadlineError, SchemaError, ValueError]
faults = st.none() | st.tuples(st.sampled_from(ERRORS), st.integers(0, 3))
#: Per request: what each of three backends does, and after how many chunks the client leaves.
scripts = st.lists(st.tuples(faults, faults, faults, st.none() | st.integers(0, 4)), min_size=1, max_size=6)


class Hall:
    """Three backends with one model, and all that is written about them."""

    def __init__(self) -> None:
        self.backends = {name: FakeBackend(name) for name in "abc"}
        self.records: list[UsageRecord] = []
        self.standings = Standings(lambda: 0.5)
        snapshot = Snapshot.build([a_deployment(f"{name}/tiny") for name in "abc"])
        self.serving = Serving(self.backends, lambda: snapshot, self.standings, self.records.append, FakeClock())

    @property
    def calls(self) -> int:
        """Calls of all backends."""
        return sum(len(backend.calls) for backend in self.backends.values())

    def plan(self, plans: Sequence[tuple[type[Exception], int] | None], *, stream: bool) -> None:
        """Script the next call of each backend, instead of what was left of the last script."""
        for backend, plan in zip(self.backends.values(), plans, strict=True):
            backend.forgive()
            if plan:
                backend.fail(plan[0](), after_pieces=plan[1] if stream else 0)


async def read(hall: Hall, leaves_after: int | None) -> list[Chunk]:
    """The stream, as far as the client reads it."""
    _, flow = await hall.serving.stream(a_request(stream=True))
    chunks: list[Chunk] = []
    async with aclosing(flow):
        while leaves_after is None or len(chunks) < leaves_after:
            chunk = await anext(flow, None)
            if chunk is None:
                break
            chunks.append(chunk)
    return chunks


@given(scripts)
def test_every_stream_ends_once_and_leaves_nothing_behind(script: list[tuple[object, ...]]) -> None:
    """One record per request, every upstream stream closed, no call in flight, as many attempts as calls."""

    async def run() -> None:
        hall = Hall()
        for *plans, leaves_after in script:
            hall.plan(plans, stream=True)  # type: ignore[arg-type]
            with suppress(RoundhouseError):
                await read(hall, leaves_after)  # type: ignore[arg-type]
        assert len(hall.records) == len(script)
        assert sum(len(record.attempts) for record in hall.records) == hall.calls
        assert sum(backend.streams_ended for backend in hall.backends.values()) == hall.calls
        assert sum(standing.in_flight for standing in hall.standings.values()) == 0

    asyncio.run(run())


@given(scripts)
def test_a_client_never_sees_two_answers_in_one(script: list[tuple[object, ...]]) -> None:
    """The visible pieces are a beginning of one backend's answer, and of exactly the one in the record."""

    async def run() -> None:
        hall = Hall()
        for *plans, _ in script:
            hall.plan(plans, stream=True)  # type: ignore[arg-type]
            try:
                chunks = await read(hall, None)
            except RoundhouseError:
                continue
            assert [chunk.visible for chunk in chunks] == [False, True, True, True, False]
            assert hall.records[-1].outcome == "ok"

    asyncio.run(run())


@given(scripts)
def test_an_answer_is_given_if_any_backend_can(script: list[tuple[object, ...]]) -> None:
    """Only an error that nobody else can mend ends a request while a healthy backend is left."""

    async def run() -> None:
        hall = Hall()
        for *plans, _ in script:
            hall.plan(plans, stream=False)  # type: ignore[arg-type]
            try:
                await hall.serving.answer(a_request())
            except RoundhouseError as error:
                final = isinstance(error, SchemaError)
                cooling = [standing.cooling_s(0.0) > 0.0 for standing in hall.standings.values()]
                assert final or any(cooling) or all(plans)
        assert len(hall.records) == len(script)

    asyncio.run(run())
