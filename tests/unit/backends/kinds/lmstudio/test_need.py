"""How large a context a request needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.kinds.lmstudio.need import Need
from roundhouse.backends.kinds.window import Reach
from roundhouse.core.errors import SchemaError
from roundhouse.core.inference import InferenceRequest, Operation
from roundhouse.routing.profile import profile_of


def test_of_many_texts_the_longest_counts() -> None:
    """Each is read for itself."""
    body: dict[str, object] = {"input": ["a" * 3600, "b" * 36_000]}
    profile = profile_of(Operation.EMBEDDING, "it", body, 36_000 + 3600)
    assert 10_000 == pytest.approx(Need.of(InferenceRequest("r", profile, b"{}")).prompt, rel=0.02)


@pytest.mark.parametrize(("loaded", "window"), [(None, 2048), (512, 2048), (1000, 1000), (2048, 2048)])
def test_a_text_that_is_too_long_is_not_ours_to_refuse(loaded: int | None, window: int) -> None:
    """Ours is an estimate."""
    assert (window, 2048) == (
        Need(900, 0, embeds=True).window(Reach(2048), loaded),
        Need(9000, 0, embeds=True).window(Reach(2048)),
    )


@pytest.mark.parametrize(("loaded", "window"), [(None, 8192), (4096, 4096), (1024, 8192), (16_384, 16_384)])
def test_a_fixed_context_is_loaded_and_what_does_is_used(loaded: int | None, window: int) -> None:
    """Somebody else's copy may be of another size."""
    reach = Reach(loaded) if loaded and loaded > 8192 else Reach(131_072, fixed=8192)
    assert window == Need(1000, 100).window(reach, loaded)


def test_what_cannot_fit_is_refused() -> None:
    """With its numbers, as LM Studio would cut it."""
    with pytest.raises(SchemaError, match="do not fit the 8192 tokens"):
        Need(9000).window(Reach(131_072, fixed=8192))


@given(st.integers(0, 200_000), st.none() | st.integers(1, 5000), st.none() | st.integers(1, 200_000), st.booleans())
def test_what_is_loaded_for_it_does(prompt: int, answer: int | None, loaded: int | None, embeds: bool) -> None:  # noqa: FBT001
    """Else it would be loaded again for the same request."""
    need, reach = Need(prompt, answer, embeds=embeds), Reach(131_072)
    try:
        window = need.window(reach, loaded)
    except SchemaError:
        assert prompt + (answer or 1) > 131_072
        return
    assert window == need.window(reach, window)
