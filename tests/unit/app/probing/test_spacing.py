from roundhouse.app.probing.spacing import LEAST_S, MOST_S, Spacing


def test_what_never_changes_is_asked_about_ever_less() -> None:
    """Up to the pace at which everybody is asked anyway."""
    spacing, now, apart = Spacing(), 100.0, list[float]()
    for _ in range(7):
        spacing.asked(now)
        apart.append(spacing.next_at - now)
        now = spacing.next_at
    assert [LEAST_S, 2.0, 4.0, 8.0, 16.0, MOST_S, MOST_S] == apart


def test_a_change_is_followed_closely_again() -> None:
    """But never more than once in a second."""
    spacing = Spacing(next_at=130.0, apart_s=MOST_S)
    spacing.changed(101.0)
    assert 101.0 + LEAST_S == spacing.next_at
    spacing.asked(110.0)
    assert 110.0 + LEAST_S == spacing.next_at
