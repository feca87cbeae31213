import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.kinds.window import Reach, next_larger, window_for
from roundhouse.core.errors import SchemaError


@pytest.mark.parametrize(
    ("prompt", "answer", "loaded", "expected"),
    [
        (8, 8, None, 4096),
        (3000, None, None, 8192),
        (8, 8, 32_768, 32_768),
        (8, 8, 5000, 5000),
        (20_000, 1000, 8192, 32_768),
        (100_000, 1000, 8192, 131_072),
        (120_000, None, None, 131_072),
        (130_000, 1000, 131_072, 131_072),
    ],
)
def test_a_window_grows_in_steps_and_never_shrinks(
    prompt: int, answer: int | None, loaded: int | None, expected: int
) -> None:
    """What is loaded is kept when it does; else the next step, up to the model's own maximum."""
    assert expected == window_for(prompt, answer, Reach(131_072), loaded)


def test_what_cannot_fit_is_refused_with_its_numbers() -> None:
    """Nothing is cut without a word."""
    with pytest.raises(SchemaError) as caught:
        window_for(8000, 1000, Reach(8192))
    assert {"prompt_tokens": 8000, "max_tokens": 1000, "context": 8192} == caught.value.details


def test_a_fixed_window_stays() -> None:
    """Whoever fixes it never sees a reload."""
    assert [6000, 6000] == [window_for(tokens, 10, Reach(131_072, fixed=6000), 4096) for tokens in (10, 5000)]


def test_a_fixed_window_refuses_too() -> None:
    """It is what is really served."""
    with pytest.raises(SchemaError):
        window_for(6000, 10, Reach(131_072, fixed=6000))


def test_a_model_of_unknown_size_is_believed_to_be_large_enough() -> None:
    """Nobody told of a limit, so there is none to refuse by."""
    assert 524_288 == window_for(300_000, 10, Reach(None))


def test_the_next_step_ends_at_the_maximum() -> None:
    """There is nothing larger than the largest."""
    assert [8192, 10_000, None] == [next_larger(size, Reach(10_000)) for size in (4096, 8192, 10_000)]


@given(st.integers(0, 200_000), st.none() | st.integers(1, 50_000), st.none() | st.integers(512, 131_072))
def test_whatever_is_accepted_fits(prompt: int, answer: int | None, loaded: int | None) -> None:
    """The window holds prompt and answer, is no larger than the model, and never smaller than what is loaded."""
    try:
        window = window_for(prompt, answer, Reach(131_072), loaded)
    except SchemaError:
        assert prompt + (answer or 1) > 131_072
        return
    assert max(prompt + (answer or 1), loaded or 0) <= window <= 131_072
