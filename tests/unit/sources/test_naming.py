import pytest

from roundhouse.core.errors import PolicyError, SchemaError
from roundhouse.sources.naming import model_name, refuse_other_formats, shards_of


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("Tiny-Q4_K_M.gguf", "tiny-q4_k_m"),
        ("My Model (1).gguf", "my-model-1"),
        ("Big-00001-of-00003.gguf", "big"),
        ("weights", "weights"),
        ("v1.5.GGUF", "v1.5"),
    ],
)
def test_a_file_names_its_model(file_name: str, expected: str) -> None:
    """The stem in lower case, without what cannot be typed."""
    assert expected == model_name(file_name)


def test_a_name_of_nothing_usable_is_refused() -> None:
    """The hint says how to give one."""
    with pytest.raises(SchemaError) as caught:
        model_name("---.gguf")
    assert "--name" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("file_name", "words"),
    [
        ("model.safetensors", "alone is no model"),
        ("pytorch_model.bin", "pickle"),
        ("x.PT", "pickle"),
        ("a.tar", "not .tar files"),
    ],
)
def test_other_formats_are_refused_early(file_name: str, words: str) -> None:
    """Before a byte of them is fetched."""
    with pytest.raises(PolicyError, match=words):
        refuse_other_formats(file_name)


@pytest.mark.parametrize("file_name", ["model.gguf", "download", "tiny-v1.5"])
def test_what_may_be_gguf_is_left_to_the_header(file_name: str) -> None:
    """A name proves little."""
    refuse_other_formats(file_name)


def test_a_shard_brings_the_others() -> None:
    """In order, whatever the order of the folder."""
    names = ["m-00002-of-00002.gguf", "other.gguf", "m-00001-of-00002.gguf"]
    assert ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"] == shards_of("m-00002-of-00002.gguf", names)


def test_a_missing_shard_is_named() -> None:
    """So that people can look for it."""
    with pytest.raises(SchemaError, match="m-00002-of-00002"):
        shards_of("m-00001-of-00002.gguf", ["m-00001-of-00002.gguf"])
