import pytest

from roundhouse.core.desks.browse import Memory
from roundhouse.core.errors import NotFoundError, PolicyError, SchemaError
from roundhouse.core.weights.variants import quantization_of
from roundhouse.sources.choice import Scale, choose, files_of, reason, variants

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
def test_a_repository_without_a_model_is_refused_by_policy(paths: list[str]) -> None:
    """Weights without a configuration are none."""
    with pytest.raises(PolicyError, match="no model here"):
        choose(paths, None)


GIB = 1 << 30


def a_scale(limit: int, **sizes: int) -> Scale:
    """A repository whose quantisations have these sizes, in gibibytes, and need twice as much."""
    files = {f"m-{name}.gguf": size * GIB for name, size in sizes.items()}
    return Scale(files, Memory(limit * GIB, lambda size, _: 2 * size), None)


@pytest.mark.parametrize(
    ("limit", "expected"), [(100, "Q8_0"), (16, "Q8_0"), (15, "Q5_K_M"), (9, "Q4_K_M"), (7, "Q3_K_L"), (4, "Q2_K")]
)
def test_the_largest_that_fits_is_taken(limit: int, expected: str) -> None:
    """Not the whole weights, though there is room: nobody could tell the difference."""
    scale = a_scale(limit, Q2_K=2, Q3_K_L=3, Q4_K_M=4, Q5_K_M=5, Q8_0=8, F16=16)
    assert expected == choose(list(scale.sizes), None, scale).quantization


@pytest.mark.parametrize(
    ("limit", "sizes", "expected"),
    [
        (100, {"Q3_K_XL": 5, "Q4_K_M": 4}, "Q4_K_M"),
        (100, {"Q2_K": 2, "F16": 16}, "F16"),
        (100, {"Q4_0": 5, "Q4_K_M": 4}, "Q4_K_M"),
        (1, {"Q2_K": 2, "Q4_K_M": 4, "Q8_0": 8}, "Q4_K_M"),
    ],
)
def test_four_good_bits_come_before_what_is_merely_larger(limit: int, sizes: dict[str, int], expected: str) -> None:
    """And where nothing fits it is the usual choice, whose plan says so."""
    scale = a_scale(limit, **sizes)
    assert expected == choose(list(scale.sizes), None, scale).quantization


def test_what_was_asked_for_is_taken_whether_it_fits_or_not() -> None:
    """It may be for another machine."""
    scale = a_scale(1, Q4_K_M=4, Q8_0=8)
    assert "Q8_0" == choose(list(scale.sizes), "Q8_0", scale).quantization


def test_sizes_that_are_not_told_change_nothing() -> None:
    """Then the usual choice is made."""
    scale = Scale(dict.fromkeys(QUANTS), Memory(1, lambda size, _: size), None)
    chosen = choose(QUANTS, None, scale)
    assert "Q4_K_M" == chosen.quantization
    assert reason(variants(QUANTS), chosen, scale, asked=False) is None


@pytest.mark.parametrize(
    ("limit", "wanted", "words"),
    [
        (
            9,
            None,
            "Q4_K_M is the best that fits: it needs about 8.0 GiB of memory, and models may take 9.0 GiB here; Q8_0",
        ),
        (99, None, "Q8_0 is the best that fits: it needs about 16.0 GiB of memory, and models may take 99.0 GiB here"),
        (9, "Q4_K_M", "Q4_K_M fits: it needs about 8.0 GiB"),
        (9, "Q8_0", "Q8_0 needs about 16.0 GiB of memory, and models may take 9.0 GiB here"),
        (1, None, "nothing in this repository would fit"),
    ],
)
def test_a_choice_has_its_reason(limit: int, wanted: str | None, words: str) -> None:
    """In figures."""
    scale = a_scale(limit, Q4_K_M=4, Q8_0=8)
    chosen = choose(list(scale.sizes), wanted, scale)
    assert words in str(reason(variants(list(scale.sizes)), chosen, scale, asked=wanted is not None))


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["m-Q4_0.gguf"], None),
        (["m-Q4_0.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf", "mmproj-F32.gguf"], "mmproj-F16.gguf"),
        (["m-Q4_0.gguf", "m-mmproj-bf16.gguf"], "m-mmproj-bf16.gguf"),
        (["a/m-Q4_0.gguf", "a/mmproj-F32.gguf", "mmproj-F16.gguf", "b/mmproj-F16.gguf"], "a/mmproj-F32.gguf"),
        (["a/m-Q4_0.gguf", "b/mmproj-F16.gguf", "mmproj-x.gguf"], "mmproj-x.gguf"),
        (["m-Q4_0.gguf", "mmproj-F16.json", "mtp-m-F16.gguf"], None),
    ],
)
def test_what_reads_pictures_comes_along(paths: list[str], expected: str | None) -> None:
    """One of them, from beside the weights, and after them."""
    variant = choose(paths, None)
    assert (*variant.paths, *([expected] if expected else [])) == files_of(paths, variant)


TENSORS = ["config.json", "model.safetensors", "pytorch_model.bin", "tokenizer.json"]


def test_safetensors_are_taken_where_there_is_no_gguf() -> None:
    """With what lies beside them; the same as a pickle stays where it is."""
    chosen = choose(TENSORS, None)
    assert ("model.safetensors", "config.json", "tokenizer.json") == files_of(TENSORS, chosen)
    assert chosen.tag is None


def test_gguf_comes_first_unless_safetensors_are_asked_for() -> None:
    """By the word, or by a pattern."""
    both = [*TENSORS, "tiny-Q4_K_M.gguf"]
    assert ("tiny-Q4_K_M.gguf",) == choose(both, None).paths
    for wanted in ("safetensors", "*.safetensors", "model.safetensors"):
        assert ("model.safetensors",) == choose(both, wanted).paths


@pytest.mark.parametrize(("paths", "wanted"), [(["config.json", "pytorch_model.bin"], None), (TENSORS, "*.bin")])
def test_pickles_are_never_taken(paths: list[str], wanted: str | None) -> None:
    """Neither for lack of anything better nor on request."""
    with pytest.raises(PolicyError, match="pickle"):
        choose(paths, wanted)


def test_a_repository_of_several_sets_needs_a_word() -> None:
    """And the one that is taken gets a name of its own."""
    paths = ["config.json", "a.safetensors", "b.safetensors"]
    with pytest.raises(SchemaError):
        choose(paths, None)
    assert "b" == choose(paths, "b.*").tag


@pytest.mark.parametrize("paths", [QUANTS, TENSORS], ids=["gguf", "safetensors"])
def test_the_signature_of_a_repository_comes_along(paths: list[str]) -> None:
    """Whatever is chosen of it."""
    signed = [*paths, "model.sig", "sub/model.sig"]
    assert ["model.sig"] == [name for name in files_of(signed, choose(signed, None)) if name.endswith(".sig")]
