"""Choosing the files of a model does not depend on the order in which a hub lists them."""

import random

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.core.errors import RoundhouseError
from roundhouse.sources.choice import Variant, choose

NAMES = st.sampled_from(
    [
        "a-Q4_K_M.gguf", "a-Q8_0.gguf", "a-Q2_K.gguf", "b-Q4_K_M.gguf", "plain.gguf", "README.md", "mmproj-F16.gguf",
        "s-Q5_K_M-00001-of-00002.gguf", "s-Q5_K_M-00002-of-00002.gguf", "model.safetensors",
    ]
)  # fmt: skip
WANTED = st.none() | st.sampled_from(["Q4_K_M", "Q8_0", "*.gguf", "plain", "Q5_K_M", "nothing"])


def outcome(paths: list[str], wanted: str | None) -> Variant | str:
    """The choice, or the code of the refusal."""
    try:
        return choose(paths, wanted)
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
