from roundhouse.health.budget import RetryBudget


def test_some_tries_are_there_from_the_start() -> None:
    """A quiet backend that dies costs its clients nothing."""
    budget = RetryBudget()
    assert sum(budget.spend(0.0) for _ in range(100)) == 32


def test_every_tenth_request_pays_for_one_more_try() -> None:
    """Failures of a busy backend cause a tenth more calls, and those at the start."""
    budget, tries = RetryBudget(), 0
    for _ in range(1_000):
        budget.earn()
        tries += budget.spend(0.0)
    assert tries in {131, 132}


def test_a_second_pays_for_one_try() -> None:
    """However few requests there are."""
    budget = RetryBudget()
    spent = [budget.spend(0.0) for _ in range(33)][-1]
    assert (spent, budget.spend(1.0), budget.spend(1.0)) == (False, True, False)
