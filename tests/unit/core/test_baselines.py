import pytest

from roundhouse.core.figures.baselines import kind_of


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ((1, 0), (31, 0), True),
        ((31, 0), (32, 0), False),
        ((32, 0), (127, 0), True),
        ((127, 0), (128, 0), False),
        ((10**9, 0), (10**12, 0), True),
        ((1, 0), (1, 1), False),
        ((1, 2), (1, 3), True),
        ((1, 10**6), (1, 10**9), True),
        ((-5, -1), (0, 0), True),
    ],
)
def test_calls_of_a_kind(one: tuple[int, int], other: tuple[int, int], alike: bool) -> None:  # noqa: FBT001 - a parameter
    """By length of the prompt in steps of four, by the crowd in steps of two; nonsense is of the smallest kind."""
    assert alike == (kind_of(*one) == kind_of(*other))


def test_there_are_few_kinds() -> None:
    """However long and however many."""
    kinds = {kind_of(1 << length, (1 << crowd) - 1) for length in range(80) for crowd in range(80)}
    assert 70 == len(kinds)
