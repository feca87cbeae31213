import pytest

from roundhouse.core.weights.tensor_sets import belonging_to, tensor_sets

SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
REPO = [
    *SHARDS, "config.json", "model.safetensors.index.json", "tokenizer.json", "tokenizer.model", "merges.txt",
    "chat_template.jinja", "LICENSE", "README.md", "modeling_acme.py", "pytorch_model.bin", "training_args.json",
    "consolidated.safetensors", "original/model.safetensors", "original/config.json", "onnx/config.json",
]  # fmt: skip


def test_shards_are_one_set_and_copies_none() -> None:
    """What other programs load is passed over."""
    assert [tuple(SHARDS)] == tensor_sets(REPO)


def test_what_belongs_to_a_set() -> None:
    """Whatever a runtime reads, and nothing that it would run."""
    expected = (
        "LICENSE", "chat_template.jinja", "config.json", "merges.txt", "model.safetensors.index.json", "tokenizer.json",
        "tokenizer.model",
    )  # fmt: skip
    assert expected == belonging_to(SHARDS, REPO)


@pytest.mark.parametrize(
    "paths",
    [
        SHARDS,
        ["config.json", SHARDS[0]],
        ["config.json", "adapter_model.safetensors"],
        ["config.json", "unet/model.safetensors"],
    ],
)
def test_what_is_not_whole_is_no_set(paths: list[str]) -> None:
    """Without a configuration or with a missing shard nothing could load it."""
    assert [] == tensor_sets(paths)


def test_the_set_at_the_top_comes_first() -> None:
    """Others stay, and can be asked for."""
    paths = ["config.json", "a.safetensors", "model.safetensors", "fp16/config.json", "fp16/model.safetensors"]
    assert [("model.safetensors",), ("a.safetensors",), ("fp16/model.safetensors",)] == tensor_sets(paths)
