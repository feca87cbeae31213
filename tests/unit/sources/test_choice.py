import pytest

from roundhouse.core.errors import NotFoundError, PolicyError, SchemaError
from roundhouse.sources.choice import choose, quantization_of, variants

QUANTS = ["tiny-Q2_K.gguf", "tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf", "README.md", "mmproj-F16.gguf"]
SPLIT = ["Q4_K_M/big-Q4_K_M-00001-of-00002.gguf", "Q4_K_M/big-Q4_K_M-00002-of-00002.gguf", "big-Q8_0.gguf"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tiny-Q4_K_M.gguf", "Q4_K_M"),
        ("tiny.q4_0.gguf", "Q4_0"),
        ("Qwen3-8B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("tiny-IQ2_XXS.gguf", "IQ2_XXS"),
        ("tiny-bf16.gguf", "BF16"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("Q8_0/weights.gguf", "Q8_0"),
        ("Q8_0/weights-Q4_0.gguf", "Q4_0"),
        ("tiny.gguf", None),
        ("Qwen3-8B.gguf", None),
        ("f16ish-model.gguf", None),
    ],
)
def test_the_quantisation_is_read_from_the_name(path: str, expected: str | None) -> None:
    """The last such word counts, in upper case."""
    assert expected == quantization_of(path)


def test_a_single_model_needs_no_choice() -> None:
    """Whatever it is called."""
    assert choose(["odd.gguf", "README.md"], None).paths == ("odd.gguf",)


def test_the_preferred_quantisation_is_taken_by_default() -> None:
    """Q4_K_M, where there is one."""
    assert choose(QUANTS, None).paths == ("tiny-Q4_K_M.gguf",)


def test_the_next_best_is_taken_when_the_best_is_missing() -> None:
    """Q8_0 before nothing at all."""
    assert choose(["a-Q2_K.gguf", "a-Q8_0.gguf"], None).quantization == "Q8_0"


@pytest.mark.parametrize("wanted", ["Q8_0", "q8_0", "tiny-Q8_0.gguf", "tiny-Q8_0", "*Q8*"])
def test_a_model_is_named_by_quantisation_file_or_pattern(wanted: str) -> None:
    """However people write it."""
    assert choose(QUANTS, wanted).paths == ("tiny-Q8_0.gguf",)


def test_all_shards_belong_to_a_model() -> None:
    """In order."""
    assert choose(SPLIT, "Q4_K_M").paths == tuple(SPLIT[:2])


def test_a_model_with_a_missing_shard_is_none() -> None:
    """It could never be loaded."""
    assert ["Q8_0"] == [variant.quantization for variant in variants(SPLIT[1:])]


def test_what_is_not_there_is_answered_with_the_choices() -> None:
    """The hint can be copied."""
    with pytest.raises(NotFoundError) as caught:
        choose(QUANTS, "Q5_0")
    assert ["Q2_K", "Q4_K_M", "Q8_0"] == caught.value.details["choices"]


def test_a_pattern_that_fits_several_is_refused() -> None:
    """Nobody guesses between two."""
    with pytest.raises(SchemaError, match="fits several") as caught:
        choose(QUANTS, "tiny*")
    assert "tiny-Q2_K.gguf" in (caught.value.hint or "")


def test_without_an_obvious_choice_the_choices_are_listed() -> None:
    """Two files of which none is preferred."""
    with pytest.raises(SchemaError) as caught:
        choose(["a.gguf", "b.gguf"], None)
    assert ["a.gguf", "b.gguf"] == caught.value.details["choices"]


def test_two_models_of_the_preferred_quantisation_are_no_obvious_choice() -> None:
    """A repository with two models at Q4_K_M has to be told which."""
    with pytest.raises(SchemaError, match="none of them is an obvious"):
        choose(["a-Q4_K_M.gguf", "b-Q4_K_M.gguf"], None)


def test_long_lists_of_choices_are_cut() -> None:
    """A hint fits on a screen; the details have them all."""
    with pytest.raises(SchemaError) as caught:
        choose([f"m{number}.gguf" for number in range(40)], None)
    assert "and 28 more" in (caught.value.hint or "")


@pytest.mark.parametrize("paths", [[], ["model.safetensors"], ["mmproj-F16.gguf", "model.imatrix.gguf"]])
def test_a_repository_without_gguf_is_refused_by_policy(paths: list[str]) -> None:
    """The embedded runtime serves nothing else now, and says so."""
    with pytest.raises(PolicyError, match="only GGUF"):
        choose(paths, None)
