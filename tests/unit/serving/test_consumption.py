import pytest

from roundhouse.core.inference import Answer, Chunk, Price, TokenUsage
from roundhouse.serving.consumption import Consumption, Tally, consumed_by
from roundhouse.testing.backend import a_deployment, a_request

PROFILE = a_request().profile


def test_the_backends_count_is_the_truth() -> None:
    """It is taken as it is."""
    assert consumed_by(Answer(b"{}", TokenUsage(1, 2)), PROFILE) == Consumption(TokenUsage(1, 2))


def test_without_a_count_there_is_an_estimate() -> None:
    """The prompt from the profile, the answer from its bytes."""
    assert consumed_by(Answer(b"x" * 500), PROFILE) == Consumption(TokenUsage(12, 100), estimated=True)


def test_a_stream_without_a_count_has_a_token_per_piece() -> None:
    """Backends send about a token at a time."""
    tally = Tally()
    for visible in (False, True, True):
        tally.add(Chunk(b"", visible=visible))
    assert tally.total(PROFILE, complete=True) == Consumption(TokenUsage(12, 2), estimated=True)


def test_a_count_of_a_stream_that_was_cut_off_is_an_estimate() -> None:
    """It was right when it was sent."""
    tally = Tally()
    tally.add(Chunk(b"", visible=True, usage=TokenUsage(9, 1)))
    assert tally.total(PROFILE, complete=False) == Consumption(TokenUsage(9, 1), estimated=True)


def test_a_free_deployment_costs_nothing_and_an_unpriced_one_who_knows() -> None:
    """Zero and unknown are two things."""
    consumed = Consumption(TokenUsage(10, 10))
    free, unpriced = a_deployment(price=Price(0.0, 0.0)), a_deployment()
    assert (consumed.cost_usd(free), consumed.cost_usd(unpriced)) == (0.0, None)


@pytest.mark.parametrize(("told", "counted"), [(-5, 0), (10**400, 1 << 40), (7, 7)])
def test_counts_that_cannot_be_are_not_added_up(told: int, counted: int) -> None:
    """A backend that counts below none would make others' use disappear."""
    tally, usage = Tally(), TokenUsage(told, told, told, cost_usd=0.5)
    tally.add(Chunk(b"", usage=usage))
    expected = Consumption(TokenUsage(counted, counted, counted, cost_usd=0.5))
    assert [expected, expected] == [consumed_by(Answer(b"{}", usage), PROFILE), tally.total(PROFILE, complete=True)]
