"""What may go when room is needed, whatever the models are."""

from datetime import timedelta
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.core.artifacts import Digest
from roundhouse.testing.builders import NOON
from roundhouse.upkeep.collecting.plan import Goal, Holding, Verdict, judge

BLOBS = [Digest(f"{number:064x}") for number in range(8)]
FREEABLE = st.fixed_dictionaries({blob: st.integers(0, 100) for blob in BLOBS})
WHY = st.sampled_from([None, None, "pinned", "in use"])


@st.composite
def holdings(draw: st.DrawFn) -> list[Holding]:
    """Some models that share some blobs."""
    count = draw(st.integers(0, 6))
    return [
        Holding(
            model=f"m{number}",
            blobs=frozenset(draw(st.sets(st.sampled_from(BLOBS), min_size=1, max_size=3))),
            size=1,
            idle_since=NOON - timedelta(days=draw(st.integers(0, 60))),
            cost_s=draw(st.floats(1, 1000)),
            protected=draw(WHY),
            irreplaceable=draw(st.sampled_from([None, "from a file"])),
        )
        for number in range(count)
    ]


@st.composite
def goals(draw: st.DrawFn) -> Goal:
    """Room, age, or both."""
    unused = draw(st.one_of(st.none(), st.integers(0, 60)))
    return Goal(
        NOON, None if unused is None else timedelta(days=unused), draw(st.integers(0, 500)), draw(st.booleans())
    )


def gone(verdicts: tuple[Verdict, ...]) -> list[Holding]:
    """Those that go."""
    return [verdict.holding for verdict in verdicts if verdict.removed]


def freed(given_: list[Holding], gone_: list[Holding], freeable: dict[Digest, int], held: set[Digest]) -> int:
    """The model of what comes free: blobs that nobody has any more."""
    left = {blob for holding in given_ if holding not in gone_ for blob in holding.blobs} | held
    return sum(freeable[blob] for blob in {blob for holding in gone_ for blob in holding.blobs} - left)


@given(holdings(), FREEABLE, goals(), st.sets(st.sampled_from(BLOBS)))
def test_rules(given_: list[Holding], freeable: dict[Digest, int], goal: Goal, held: set[Digest]) -> None:
    """All are judged; protected ones never go, irreplaceable ones only when asked; the bytes are the real ones."""
    verdicts = judge(given_, freeable, goal, held)
    assert sorted(verdict.holding.model for verdict in verdicts) == sorted(each.model for each in given_)
    assert all(each.protected is None for each in gone(verdicts))
    assert goal.include_irreplaceable or all(each.irreplaceable is None for each in gone(verdicts))
    assert freed(given_, gone(verdicts), freeable, held) == sum(verdict.bytes_freed for verdict in verdicts)
    assert all(verdict.reason for verdict in verdicts)


@given(holdings(), FREEABLE, goals(), st.sets(st.sampled_from(BLOBS)))
def test_none_goes_without_need(
    given_: list[Holding], freeable: dict[Digest, int], goal: Goal, held: set[Digest]
) -> None:
    """Were any young one left out, the goal, or the most that can be freed, would be missed."""
    chosen = gone(judge(given_, freeable, goal, held))
    may = [each for each in given_ if each.protected is None and (goal.include_irreplaceable or not each.irreplaceable)]
    old = [each for each in may if goal.unused_for is not None and NOON - each.idle_since >= goal.unused_for]
    enough = min(goal.needed, freed(given_, may, freeable, held))
    assert freed(given_, chosen, freeable, held) >= enough
    assert all(each in chosen for each in old)
    for each in chosen:
        assert each in old or freed(given_, [one for one in chosen if one != each], freeable, held) < enough


@given(holdings().filter(lambda found: len(found) < 5), FREEABLE, goals())
def test_the_order_of_telling_does_not_matter(given_: list[Holding], freeable: dict[Digest, int], goal: Goal) -> None:
    """The same models give the same verdicts in the same order."""
    told = judge(given_, freeable, goal)
    assert all(judge(list(other), freeable, goal) == told for other in permutations(given_))
