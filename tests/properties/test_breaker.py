"""The breaker against a model of it that a person can check by reading."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from roundhouse.health.breaker import DESPITE, FREE, Breaker, BreakerPolicy, State


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
        self.now += seconds

    @rule()
    def call(self) -> None:
        """Ask for a pass."""
        ticket = self.breaker.admit(self.now)
        allowed = not self.is_open and not (self.openings and self.probe)
        assert (ticket is not None) == allowed
        if ticket is None:
            return
        assert (ticket == FREE) == (self.openings == 0)
        self.under_way.append(ticket)
        if self.openings:
            self.probe = ticket

    @rule()
    def call_anyway(self) -> None:
        """Go without a pass, because there is nobody else."""
        self.under_way.append(DESPITE if self.openings else FREE)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        """One of the calls goes well."""
        ticket = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(ticket)
        self.breaker.succeeded(ticket, self.now)
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
        self.breaker.released(ticket)
        if ticket == self.probe:
            self.probe = None

    @invariant()
    def states_agree(self) -> None:
        """The breaker is where the model is, and there is never more than one probe."""
        expected = State.OPEN if self.is_open else State.HALF_OPEN if self.openings else State.CLOSED
        assert self.breaker.state(self.now) is expected

    @invariant()
    def the_wait_has_an_end(self) -> None:
        """No opening is longer than five minutes, and what is free may be called."""
        open_s = self.breaker.open_s(self.now)
        assert self.probe or open_s <= 300.0
        assert (open_s == 0.0) == (not self.is_open and not self.probe)


TestBreaker = BreakerMachine.TestCase
