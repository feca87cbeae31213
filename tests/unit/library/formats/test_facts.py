import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from roundhouse.core.artifacts import ArtifactFile, Digest, FileName
from roundhouse.core.errors import SchemaError
from roundhouse.library.formats import Facts, check_header, describe
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.safetensors import Tensors, a_config, a_model_folder, a_safetensors


def facts_of(folder: Path, files: Mapping[str, bytes]) -> Facts:
    """What is told of a model with these files."""
    held = []
    for name, data in files.items():
        digest = Digest(hashlib.sha256(data).hexdigest())
        (folder / digest).write_bytes(data)
        held.append(ArtifactFile(FileName(name), len(data), digest))
    return describe(held, lambda digest: folder / digest)


def single(tensors: Tensors, **config: object) -> dict[str, bytes]:
    """A model in one file."""
    return {"model.safetensors": a_safetensors(tensors), "config.json": a_config(**config)}


def test_a_model_in_shards(tmp_path: Path) -> None:
    """Its numbers are added up, and the rest is in its configuration."""
    assert Facts("safetensors", "llama", "BF16", 2048, 16, has_chat_template=True) == facts_of(
        tmp_path, a_model_folder()
    )


def test_a_gguf_model_is_described_as_ever(tmp_path: Path) -> None:
    """By its own header."""
    facts = facts_of(tmp_path, {"model.gguf": a_gguf()})
    assert ("gguf", "llama", "Q4_K_M", 2048) == (facts.format, facts.architecture, facts.quantization, facts.context)


def test_an_mlx_model(tmp_path: Path) -> None:
    """Eight weights of four bits are in one number, and what scales them is not counted."""
    tensors = {"a.weight": ("U32", (2, 4)), "a.scales": ("BF16", (2,)), "a.biases": ("BF16", (2,)), "n": ("BF16", (3,))}
    facts = facts_of(tmp_path, single(tensors, quantization={"group_size": 64, "bits": 4}))
    assert ("mlx", "4bit", 67) == (facts.format, facts.quantization, facts.parameters)


def test_an_mlx_model_with_whole_weights_says_so_itself(tmp_path: Path) -> None:
    """In the notes of its files."""
    files = {"model.safetensors": a_safetensors(metadata={"format": "mlx"}), "config.json": a_config()}
    assert "mlx" == facts_of(tmp_path, files).format


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"quant_method": "gptq", "bits": 4}, ("GPTQ-4bit", 67)),
        ({"quant_method": "compressed-tensors"}, ("COMPRESSED-TENSORS", None)),
        ({"quant_method": "fp8"}, ("FP8", 11)),
    ],
)
def test_weights_made_smaller(tmp_path: Path, config: dict[str, object], expected: tuple[object, ...]) -> None:
    """They are counted where it is known how they are packed."""
    tensors = {"a.qweight": ("I32", (2, 4)), "a.scales": ("F16", (2,)), "n": ("F16", (3,))}
    facts = facts_of(tmp_path, single(tensors, quantization_config=config))
    assert expected == (facts.quantization, facts.parameters)


def test_weights_without_a_configuration(tmp_path: Path) -> None:
    """They are held; nobody knows what they are."""
    assert facts_of(tmp_path, {"model.safetensors": a_safetensors()}).architecture is None


@pytest.mark.parametrize("name", ["model-00001-of-00002.safetensors", "model.safetensors.index.json"])
def test_an_index_that_does_not_agree_is_refused(tmp_path: Path, name: str) -> None:
    """A shard of another version is as bad as a missing one."""
    files = a_model_folder()
    files[name] = a_safetensors({"other": ("BF16", (2,))}) if name.endswith("rs") else b'{"weight_map": {"w": "../x"}}'
    with pytest.raises(SchemaError):
        facts_of(tmp_path, files)


def test_a_missing_shard_is_refused(tmp_path: Path) -> None:
    """Its name tells how many there should be."""
    files = a_model_folder()
    del files["model-00002-of-00002.safetensors"]
    with pytest.raises(SchemaError, match="split into 2"):
        facts_of(tmp_path, files)


def test_a_shard_without_an_index_is_refused(tmp_path: Path) -> None:
    """Its own name tells that there are more."""
    with pytest.raises(SchemaError, match="split into 2"):
        facts_of(tmp_path, {"model-00001-of-00002.safetensors": a_safetensors()})


def test_headers_are_checked_where_there_are_some(tmp_path: Path) -> None:
    """A tokenizer has none."""
    path = tmp_path / "x"
    path.write_bytes(b"nothing of the kind")
    check_header("tokenizer.json", path)
    for name in ("model.gguf", "model.safetensors"):
        with pytest.raises(SchemaError):
            check_header(name, path)
