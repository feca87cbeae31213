import json
from pathlib import Path

import pytest

from roundhouse.backends.kinds.mlx.folders import cache_per_token, described, is_model, template_in, weights_in
from roundhouse.core.errors import BackendError

KIB = 1 << 10


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        # Llama 3 8B: 32 layers of 8 heads of 128 numbers, keys and values, of two bytes.
        (
            {"num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_size": 4096},
            128 * KIB,
        ),
        # Heads that are wider than their share of the model (Qwen 3, Gemma).
        (
            {"num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128},
            144 * KIB,
        ),
        # Every head its own keys.
        ({"n_layer": 12, "n_head": 12, "n_embd": 768}, 36 * KIB),
        # DeepSeek keeps a latent instead.
        (
            {"num_hidden_layers": 61, "num_attention_heads": 128, "kv_lora_rank": 512, "qk_rope_head_dim": 64},
            61 * 576 * 2,
        ),
        ({"n_layer": 1, "n_head": 1, "n_embd": 64, "torch_dtype": "float32"}, 512),
        ({}, 0),
        ({"num_hidden_layers": 32}, 0),
        ({"num_hidden_layers": "many", "num_attention_heads": True, "hidden_size": -1}, 0),
        ({"num_hidden_layers": 10**30, "num_attention_heads": 8, "hidden_size": 64}, 0),
    ],
)
def test_the_cache_of_a_token(config: dict[str, object], expected: int) -> None:
    """From the shape, as far as it is told in sensible numbers; 0 is not told."""
    assert expected == cache_per_token(config)


def a_model(folder: Path, **config: object) -> Path:
    """A folder that looks like a model."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"x" * 1000)
    return folder


def test_a_folder_tells_what_is_in_it(tmp_path: Path) -> None:
    """Its shape may be in an inner part, and a draft model counts as well."""
    shape = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64}
    model = a_model(tmp_path / "qwen", model_type="qwen3", text_config=shape, quantization={"bits": 4})
    (model / "chat_template.jinja").write_text("{{ messages }}")
    found, both = described("qwen", model), weights_in("qwen", model, model)
    assert ("qwen3", "4bit", True) == (found.traits.family, found.traits.quantization, found.has_chat_template)
    assert (2000, 2 * 512) == (both.size, both.per_token)


def test_what_is_no_model(tmp_path: Path) -> None:
    """A folder without weights, or none at all."""
    model = a_model(tmp_path / "qwen")
    (model / "model.safetensors").unlink()
    assert (False, False) == (is_model(model), is_model(tmp_path / "nothing"))


@pytest.mark.parametrize("content", ["[]", "{", "[" * 100_000, "\udcff"])
def test_a_configuration_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    """An error of ours, which does not say where the files are."""
    model = a_model(tmp_path / "qwen")
    (model / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    for read in (described, weights_in):
        with pytest.raises(BackendError, match="qwen cannot be loaded") as caught:
            read("qwen", model)
        assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("chat_template.jinja", "{{ a }}", "{{ a }}"),
        ("chat_template.json", '{"chat_template": "{{ a }}"}', "{{ a }}"),
        ("tokenizer_config.json", '{"chat_template": "{{ a }}", "other": 1}', "{{ a }}"),
        ("tokenizer_config.json", '{"chat_template": [{"name": "x", "template": "a"}, {"template": "b"}]}', "a\nb"),
        ("tokenizer_config.json", "{}", None),
        ("tokenizer_config.json", '{"chat_template": 3}', None),
        ("tokenizer_config.json", "[" * 100_000, None),
        ("other.json", "{}", None),
    ],
)
def test_where_the_template_is(tmp_path: Path, file: str, content: str, expected: str | None) -> None:
    """In a file of its own, or among what the tokenizer says; what cannot be read is not there."""
    (tmp_path / file).write_text(content)
    assert expected == template_in(tmp_path)


def test_the_file_of_its_own_counts_first(tmp_path: Path) -> None:
    """That is where newer tools write it."""
    (tmp_path / "chat_template.jinja").write_text("new")
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "old"}')
    assert "new" == template_in(tmp_path)
