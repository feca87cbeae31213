"""Drift against a model of it that a person can check by reading."""

from statistics import median

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from roundhouse.core.figures.baselines import Pace
from roundhouse.health.drift import Drift, Turn


class DriftMachine(RuleBasedStateMachine):
    """Any order of calls, each as quick as a share of the baseline says."""

    def __init__(self) -> None:
        super().__init__()
        self.drift = Drift()
        self.drift.recall({"0.0": Pace(100.0, 100.0)}, measured=True)
        #: Shares since the last turn, and the turns with the calls between them.
        self.shares: list[float] = []
        self.is_slow = False
        self.turns: list[tuple[Turn, int]] = []

    @rule(share=st.floats(0.01, 1.5), count=st.sampled_from([1, 1, 3, 25]))
    def answers(self, share: float, count: int) -> None:
        """So many calls of one speed."""
        for _ in range(count):
            self.call(share)

    @rule()
    def wobbles(self) -> None:
        """Around the lower mark, where a single threshold would flap."""
        for number in range(40):
            self.call(0.58 if number % 2 else 0.62)

    def call(self, share: float) -> None:
        """Make one, in the model too."""
        turn = self.drift.add("0.0", Pace(100.0 * share, 100.0))
        self.shares.append(100.0 * share / 100.0)
        now = median(self.shares[-20:]) if len(self.shares) >= 20 else None
        wanted = None
        if now is not None and not self.is_slow and now < 0.6:
            wanted = Turn.SLOWED
        elif now is not None and self.is_slow and min(now, 1.0) > 0.8:
            wanted = Turn.RESTORED
        assert wanted is turn
        if turn is not None:
            self.turns.append((turn, len(self.shares)))
            self.is_slow, self.shares = turn is Turn.SLOWED, []

    @invariant()
    def agrees(self) -> None:
        """It is slow when the model is, and a share of 1 at most."""
        assert self.is_slow == self.drift.is_slow
        assert 0.0 < self.drift.share <= 1.0

    @invariant()
    def never_flaps(self) -> None:
        """Turns alternate, and twenty calls at least lie between two."""
        kinds = [turn for turn, _ in self.turns]
        assert [Turn.SLOWED, Turn.RESTORED] * (len(kinds) // 2) == kinds[: len(kinds) // 2 * 2]
        assert all(calls >= 20 for _, calls in self.turns)


TestDrift = DriftMachine.TestCase
