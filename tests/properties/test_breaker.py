"""The breaker against a model of it that a person can check by reading."""

import math
import os
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from roundhouse.health.breaker import DESPITE, FREE, Breaker, BreakerPolicy, State

FULL = os.environ.get("ROUNDHOUSE_FAULTS") == "full"  # noqa: TID251 - steers the tests
#: Runs of so many steps each, of which some are left out: 100,000 steps, or a twentieth of them.
RUNS, STEPS = (2_000 if FULL else 100), 64
STEPS_DONE: Counter[str] = Counter()


class BreakerMachine(RuleBasedStateMachine):
    """Any order of calls, outcomes and waits."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(BreakerPolicy(), lambda: 0.5)
        self.now = 0.0
        #: Passes of calls that have not ended.
        self.under_way: list[int] = []
        # The model: failures in a row, openings in a row, when the opening ends, the probe that counts.
        self.failures = self.openings = 0
        self.until = 0.0
        self.probe: int | None = None
        #: The second of every call that counted since it was last closed, and whether it failed.
        self.counted: list[tuple[int, bool]] = []
        #: Whether a check of health lets nobody pass.
        self.held = False

    @property
    def is_open(self) -> bool:
        """Whether the model is open."""
        return self.openings > 0 and self.now < self.until

    def open(self) -> None:
        """Open the model."""
        self.until = self.now + min(10.0 * 2.0**self.openings, 300.0)
        self.openings += 1
        self.probe = None

    @rule(seconds=st.sampled_from([0.5, 5.0, 10.0, 40.0, 300.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        STEPS_DONE["wait"] += 1
        self.now += seconds

    @precondition(lambda self: self.is_open and not self.held)
    @rule()
    def wait_for_the_end(self) -> None:
        """Let exactly as much time pass as it stays open."""
        STEPS_DONE["waited for the end"] += 1
        self.now = self.until

    @rule()
    def call(self) -> None:
        """Ask for a pass."""
        ticket = self.breaker.admit(self.now)
        allowed = not self.held and not self.is_open and not (self.openings and self.probe)
        assert (ticket is not None) == allowed
        if ticket is None:
            STEPS_DONE["refused"] += 1
            return
        STEPS_DONE["probed" if self.openings else "called"] += 1
        assert (ticket == FREE) == (self.openings == 0)
        self.under_way.append(ticket)
        if self.openings:
            self.probe = ticket

    @rule()
    def call_anyway(self) -> None:
        """Go without a pass, because there is nobody else."""
        STEPS_DONE["called anyway"] += 1
        self.under_way.append(DESPITE if self.openings or self.held else FREE)

    @rule(callers=st.just(100))
    def call_all_at_once(self, callers: int) -> None:
        """Ask for a hundred passes, of which half-open grants one at most."""
        STEPS_DONE["a hundred called"] += 1
        tickets = [ticket for ticket in (self.breaker.admit(self.now) for _ in range(callers)) if ticket is not None]
        allowed = 0 if self.held or self.is_open or self.probe else 1 if self.openings else callers
        assert allowed == len(tickets)
        if self.openings and tickets:
            self.probe = tickets[0]
            self.under_way += tickets

    @precondition(lambda self: not self.held)
    @rule()
    def hold(self) -> None:
        """A check of health finds that it is ill."""
        STEPS_DONE["held"] += 1
        self.breaker.hold()
        self.held = True

    @rule()
    def release(self) -> None:
        """A check of health finds that it is well, which says nothing about its calls."""
        STEPS_DONE["released"] += 1
        self.breaker.release()
        self.held = False

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        """One of the calls goes well."""
        ticket = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(ticket)
        STEPS_DONE["succeeded"] += 1
        self.breaker.succeeded(ticket, self.now)
        self.held = False
        if not self.openings:
            self.failures = 0
            self.counted.append((int(self.now), False))
        elif ticket == DESPITE or (ticket and ticket == self.probe):
            self.failures = self.openings = 0
            self.probe = None
            self.counted = []

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        """One of the calls fails."""
        ticket = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(ticket)
        STEPS_DONE["failed"] += 1
        self.failed(ticket)

    @rule()
    def fail_in_a_row(self) -> None:
        """Five calls fail, one after another: enough to open it."""
        STEPS_DONE["failed in a row"] += 1
        for _ in range(5):
            self.failed(DESPITE if self.openings or self.held else FREE)

    def failed(self, ticket: int) -> None:
        """End a call with a failure, here and in the model."""
        self.breaker.failed(ticket, self.now)
        if not self.openings:
            self.failures += 1
            self.counted.append((int(self.now), True))
            lately = [failed for second, failed in self.counted if second > int(self.now) - 30]
            if self.failures >= 5 or (len(lately) >= 10 and 2 * sum(lately) >= len(lately)):
                self.open()
        elif ticket == self.probe:
            self.open()

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        """One of the calls is cancelled."""
        ticket = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(ticket)
        STEPS_DONE["given up"] += 1
        self.breaker.released(ticket)
        if ticket == self.probe:
            self.probe = None

    @invariant()
    def states_agree(self) -> None:
        """The breaker is where the model is, and there is never more than one probe."""
        shut = self.held or self.is_open
        expected = State.OPEN if shut else State.HALF_OPEN if self.openings else State.CLOSED
        assert self.breaker.state(self.now) is expected

    @invariant()
    def the_wait_has_an_end(self) -> None:
        """No opening is longer than five minutes, what is free may be called, what is held may not."""
        open_s = self.breaker.open_s(self.now)
        assert self.probe or self.held or open_s <= 300.0
        assert (open_s == 0.0) == (not self.held and not self.is_open and not self.probe)
        assert open_s == math.inf or not self.held

    @invariant()
    def what_its_calls_have_shown_is_told(self) -> None:
        """Whoever waited with an old pass has to know, whether or not somebody holds it."""
        assert self.breaker.is_closed == (self.openings == 0)


@pytest.mark.timeout(600)
def test_it_is_where_its_model_is() -> None:
    """After each of very many steps; and each kind of step really was taken."""
    STEPS_DONE.clear()
    chosen = settings(max_examples=RUNS, stateful_step_count=STEPS, deadline=None, derandomize=not FULL)
    run_state_machine_as_test(BreakerMachine, settings=chosen)
    kinds = {"wait", "called", "called anyway", "a hundred called", "refused", "probed", "held", "released"}
    kinds |= {"waited for the end", "succeeded", "failed", "failed in a row", "given up"}
    assert kinds == set(STEPS_DONE)
    print(f"G4: {STEPS_DONE.total():,} steps in {RUNS:,} runs, no divergence: {dict(STEPS_DONE)}")
