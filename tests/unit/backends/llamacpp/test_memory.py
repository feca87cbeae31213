import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.llamacpp.memory import (
    LEAST_CONTEXT,
    Slots,
    fitting_context,
    need_of,
    padded,
    prompt_cache,
)
from roundhouse.backends.llamacpp.shape import Layer, Shape

LAYERS = st.builds(
    Layer,
    keys=st.integers(0, 1 << 20),
    values=st.integers(0, 1 << 20),
    window=st.none() | st.integers(1, 1 << 17),
    state=st.integers(0, 1 << 30),
)
SHAPES = st.none() | st.builds(
    Shape,
    st.lists(st.tuples(LAYERS, st.integers(1, 200)), max_size=4).map(tuple),
    width=st.integers(1, 1 << 16),
    feed=st.integers(0, 1 << 20),
    vocabulary=st.integers(0, 1 << 20),
)
SIZES, CONTEXTS = st.integers(0, 1 << 40), st.integers(1, 10_000_000)
KINDS = st.sampled_from(["f16", "q8_0", "q4_0"])


@pytest.mark.parametrize(("tokens", "expected"), [(None, 1500), (0, 1200), (16_384, 2200)])
def test_what_no_header_tells_is_guessed_from_the_size(tokens: int | None, expected: int) -> None:
    """Weights with their buffers, and a cache that weighs as much as the file at 32,768 tokens."""
    need = need_of(1000, None, Slots(tokens, 2))
    assert (expected, False) == (need.total, need.from_header)


@given(SIZES, SHAPES, CONTEXTS, CONTEXTS, st.integers(1, 64), KINDS)
def test_more_context_never_needs_less(
    size: int, shape: Shape | None, one: int, other: int, parallel: int, kind: str
) -> None:
    """And never less than the files."""
    small, large = sorted((one, other))
    needs = [need_of(size, shape, Slots(context, parallel, kind)).total for context in (small, large)]
    assert size <= needs[0] <= needs[1]


@given(SIZES, SHAPES, CONTEXTS, st.integers(1, 63))
def test_more_slots_never_need_less(size: int, shape: Shape | None, context: int, parallel: int) -> None:
    """Each has a context of its own."""
    assert (
        need_of(size, shape, Slots(context, parallel)).total <= need_of(size, shape, Slots(context, parallel + 1)).total
    )


@given(SHAPES, CONTEXTS)
def test_fewer_bits_never_need_more(shape: Shape | None, context: int) -> None:
    """Neither do they change the weights."""
    needs = [need_of(1000, shape, Slots(context, 1, kind)).total for kind in ("q4_0", "q8_0", "f16")]
    assert sorted(needs) == needs


@given(SHAPES, SHAPES, CONTEXTS, KINDS)
def test_a_draft_has_slots_of_its_own(shape: Shape | None, draft: Shape | None, context: int, kind: str) -> None:
    """As large as those of the model that it writes ahead for."""
    alone = need_of(1000, shape, Slots(context, 2, kind))
    both = need_of(1000, shape, Slots(context, 2, kind, draft=draft))
    own = need_of(0, draft, Slots(context, 2, kind)).cache if shape is not None and draft is not None else 0
    assert alone.cache + own == both.cache


def test_what_only_reads_works_on_whole_texts_and_has_no_words_to_weigh() -> None:
    """Eight thousand tokens at a time, with their mask, and nothing for each word of the vocabulary."""
    shape = Shape(((Layer(), 24),), 1024, 4096, 250_000)
    writes = need_of(0, shape, Slots(8192, 1)).buffers
    reads = need_of(0, shape, Slots(8192, 1, reads=True)).buffers
    program = need_of(0, shape, Slots(0, 1, reads=True)).buffers - 512 * 4 * (4 * 1024 + 2 * 4096)
    assert 512 * (4 * 262_288 + 2 * 8192) == writes - program
    assert 8192 * (4 * 12_288 + 2 * 8192) == reads - program


@given(CONTEXTS)
def test_contexts_are_rounded_up(context: int) -> None:
    """To whole blocks of cells, and by less than one."""
    assert 0 == padded(context) % 256
    assert context <= padded(context) < context + 256


def test_old_prompts_take_no_more_than_the_slots() -> None:
    """And no more than a quarter of a gibibyte."""
    assert [5, 256 << 20] == [prompt_cache(5), prompt_cache(1 << 40)]


def a_tokens_worth(context: int) -> int:
    """Ten bytes a token, and a thousand for everything else."""
    return 1000 + 10 * context


@pytest.mark.parametrize(
    ("wanted", "budget", "expected"),
    [
        pytest.param(8192, 82_920, 8192, id="all of it fits"),
        pytest.param(8192, 82_919, 7936, id="one block less"),
        pytest.param(8192, 41_960, 4096, id="half of it"),
        pytest.param(8192, 21_480, 2048, id="the least that is of use"),
        pytest.param(8192, 21_479, 8192, id="nothing useful fits: it will be refused"),
        pytest.param(512, 6120, 512, id="less was wanted, and fits"),
        pytest.param(512, 6119, 512, id="less was wanted, and does not fit"),
        pytest.param(3000, 25_000, 2304, id="not a whole number of blocks"),
    ],
)
def test_the_largest_useful_context_is_served(wanted: int, budget: int, expected: int) -> None:
    """In whole blocks of cells."""
    assert expected == fitting_context(wanted, budget, a_tokens_worth)


@given(SIZES, SHAPES, CONTEXTS, st.integers(0, 1 << 45))
def test_a_smaller_context_fits_and_is_the_largest_that_does(
    size: int, shape: Shape | None, wanted: int, budget: int
) -> None:
    """It is smaller only when that helps."""

    def need_at(context: int) -> int:
        return need_of(size, shape, Slots(context, 4)).total

    context = fitting_context(wanted, budget, need_at)
    assert min(wanted, LEAST_CONTEXT) <= context <= wanted
    if context < wanted:
        assert need_at(context) <= budget < need_at(min(wanted, context + 256))
    elif need_at(wanted) > budget:
        assert need_at(min(wanted, LEAST_CONTEXT)) > budget
