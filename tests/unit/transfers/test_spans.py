import pytest

from roundhouse.transfers.spans import Span, aligned, front, gaps, merged


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([], [(0, 10)]),
        ([(0, 10)], []),
        ([(4, 6)], [(0, 4), (6, 10)]),
        ([(6, 8), (0, 3), (2, 4)], [(4, 6), (8, 10)]),
        ([(0, 20)], []),
        ([(12, 20)], [(0, 10)]),
    ],
)
def test_gaps_are_what_is_left(taken: list[Span], expected: list[Span]) -> None:
    """In order, whatever the order and the overlaps of what is taken."""
    assert expected == list(gaps(taken, 10))


@pytest.mark.parametrize(("taken", "expected"), [([], 0), ([(1, 5)], 0), ([(3, 5), (0, 3)], 5), ([(0, 3), (4, 9)], 3)])
def test_the_front_ends_at_the_first_gap(taken: list[Span], expected: int) -> None:
    """Nothing behind a gap counts."""
    assert expected == front(taken)


def test_what_touches_is_merged() -> None:
    """As few spans as will do."""
    assert [(0, 7), (8, 9)] == merged([(3, 7), (8, 9), (0, 3), (1, 2)])


@pytest.mark.parametrize(("position", "expected"), [(0, 0), (1, 4), (4, 4), (5, 8)])
def test_positions_are_aligned_upwards(position: int, expected: int) -> None:
    """To the next multiple, which may be the position itself."""
    assert expected == aligned(position, 4)
