from pathlib import Path

import pytest

from roundhouse.core.errors import SchemaError
from roundhouse.library.formats.config import ModelConfig, has_chat_template, read_config, read_index
from roundhouse.testing.safetensors import a_config


def config_of(folder: Path, data: bytes) -> ModelConfig:
    """What a ``config.json`` with these bytes says."""
    path = folder / "config.json"
    path.write_bytes(data)
    return read_config(path)


def test_architecture_and_context(tmp_path: Path) -> None:
    """Under the names that nearly all models use."""
    assert ModelConfig("llama", 2048) == config_of(tmp_path, a_config())


def test_a_model_that_also_sees_keeps_its_words_inside(tmp_path: Path) -> None:
    """The language model's part has the context."""
    config = config_of(tmp_path, b'{"model_type": "gemma3", "text_config": {"max_position_embeddings": 8192}}')
    assert ModelConfig("gemma3", 8192) == config


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"quantization": {"group_size": 64, "bits": 4}}, ("mlx", 4)),
        ({"quantization_config": {"quant_method": "AWQ", "bits": 4}}, ("awq", 4)),
        ({"quantization_config": {"quant_method": "fp8"}}, ("fp8", None)),
        ({"quantization_config": {"load_in_4bit": True}}, ("bitsandbytes", 4)),
        ({"quantization_config": {}}, ("unknown", None)),
        ({"quantization_config": "odd", "quantization": {"bits": True}}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_how_the_weights_were_made_smaller(
    tmp_path: Path, more: dict[str, object], expected: tuple[object, ...]
) -> None:
    """MLX has a key of its own."""
    config = config_of(tmp_path, a_config(**more))
    assert expected == (config.method, config.bits)


def test_facts_of_another_shape_are_left_out(tmp_path: Path) -> None:
    """People write these files by hand."""
    assert ModelConfig() == config_of(tmp_path, b'{"model_type": ["x"], "max_position_embeddings": "many"}')


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b" " * ((8 << 20) + 1)])
def test_what_is_no_object_is_refused(tmp_path: Path, data: bytes) -> None:
    """With our own error."""
    with pytest.raises(SchemaError):
        config_of(tmp_path, data)


def test_an_index_tells_files_by_tensor(tmp_path: Path) -> None:
    """And nothing else of it matters."""
    path = tmp_path / "index.json"
    path.write_bytes(b'{"metadata": {"total_size": 1}, "weight_map": {"w": "model-1.safetensors"}}')
    assert {"w": "model-1.safetensors"} == read_index(path)
    path.write_bytes(b'{"weight_map": {"w": 3}}')
    with pytest.raises(SchemaError):
        read_index(path)


def test_a_chat_template_is_found(tmp_path: Path) -> None:
    """In what the tokenizer is configured by."""
    path = tmp_path / "tokenizer_config.json"
    path.write_bytes(b'{"chat_template": "{{x}}"}')
    assert has_chat_template(path)
    path.write_bytes(b"{}")
    assert not has_chat_template(path)
