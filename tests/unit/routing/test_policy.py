import math

import pytest

from roundhouse.core.errors import ConfigError
from roundhouse.routing.policy import Policy, Weights


@pytest.mark.parametrize("weight", [-0.1, math.inf, math.nan])
def test_a_weight_is_a_number_of_zero_or_more(weight: float) -> None:
    """A negative weight would prefer the worse, so it is refused by name."""
    with pytest.raises(ConfigError, match="routing weight price"):
        Weights(price=weight)


def test_at_least_one_attempt_is_made() -> None:
    """A policy that would never try anything is refused."""
    with pytest.raises(ConfigError, match="at least 1 attempt"):
        Policy(max_attempts=0)


def test_shares_add_up_to_one() -> None:
    """Only proportions matter, so a score is between 0 and 1."""
    assert Weights(1, 1, 1, 1, 4).shares() == Weights(0.125, 0.125, 0.125, 0.125, 0.5)


def test_no_weights_at_all_are_allowed() -> None:
    """Then every score is 0 and the price, then the id, decides."""
    assert Weights(0, 0, 0, 0, 0).shares() == Weights(0, 0, 0, 0, 0)
