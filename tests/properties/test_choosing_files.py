"""Choosing the files of a model does not depend on the order in which a hub lists them."""

import random

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.core.desks.browse import Memory
from roundhouse.core.errors import RoundhouseError
from roundhouse.sources.choice import Scale, Variant, choose, variants

NAMES = st.sampled_from(
    [
        "a-Q4_K_M.gguf", "a-Q8_0.gguf", "a-Q2_K.gguf", "b-Q4_K_M.gguf", "plain.gguf", "README.md", "mmproj-F16.gguf",
        "s-Q5_K_M-00001-of-00002.gguf", "s-Q5_K_M-00002-of-00002.gguf", "model.safetensors",
    ]
)  # fmt: skip
WANTED = st.none() | st.sampled_from(["Q4_K_M", "Q8_0", "*.gguf", "plain", "Q5_K_M", "nothing"])


def outcome(paths: list[str], wanted: str | None, scale: Scale | None = None) -> Variant | str:
    """The choice, or the code of the refusal."""
    try:
        return choose(paths, wanted, scale)
    except RoundhouseError as error:
        return error.code


@given(st.lists(NAMES, unique=True), WANTED, st.randoms(use_true_random=False))
def test_the_order_of_the_files_never_changes_the_choice(
    paths: list[str], wanted: str | None, chance: random.Random
) -> None:
    """And what is chosen is among the files."""
    before = outcome(paths, wanted)
    shuffled = list(paths)
    chance.shuffle(shuffled)
    assert before == outcome(shuffled, wanted)
    if isinstance(before, Variant):
        assert set(before.paths) <= set(paths)


@given(st.dictionaries(NAMES, st.none() | st.integers(0, 100)), st.integers(0, 120), st.randoms(use_true_random=False))
def test_what_fits_is_chosen_before_what_does_not(
    sizes: dict[str, int | None], limit: int, chance: random.Random
) -> None:
    """Whatever the order; and a choice there was without a scale is still one."""
    scale = Scale(sizes, Memory(limit, lambda size, _: size), None)
    chosen, shuffled = outcome(list(sizes), None, scale), list(sizes)
    chance.shuffle(shuffled)
    assert chosen == outcome(shuffled, None, scale)
    if isinstance(outcome(list(sizes), None), Variant):
        assert isinstance(chosen, Variant)
    if isinstance(chosen, Variant) and not scale.holds(chosen):
        named = [variant.quantization for variant in variants(list(sizes)) if scale.holds(variant)]
        assert all(len([v for v in variants(list(sizes)) if v.quantization == name]) > 1 for name in named)
