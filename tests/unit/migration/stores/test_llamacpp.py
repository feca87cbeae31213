"""llama.cpp's cache runs three names into one; its notes take them apart again."""

import json
from pathlib import Path

import pytest

from roundhouse.migration.stores.llamacpp import look
from roundhouse.migration.stores.walking import Tree
from roundhouse.testing.adoption import digest_of
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.stores import a_llamacpp_cache

GGUF = a_gguf(bytes(64))


def test_the_note_tells_the_repository(tmp_path: Path) -> None:
    """Name, reference, promise and the file's own name all come from it."""
    a_llamacpp_cache(tmp_path, "ada_x/tiny_GGUF", "tiny-Q4_K_M.gguf", GGUF)
    (model,) = look(Tree(tmp_path)).models
    assert ("ada_x/tiny_GGUF:Q4_K_M", "hf:ada_x/tiny_GGUF:Q4_K_M") == (model.model, model.ref)
    assert [("tiny-Q4_K_M.gguf", digest_of(GGUF))] == [(file.name, file.promised) for file in model.files]


def test_without_a_note_the_origin_is_not_guessed(tmp_path: Path) -> None:
    """The file is what it is called."""
    a_llamacpp_cache(tmp_path, "ada/tiny-GGUF", "tiny-Q4_K_M.gguf", GGUF, note=False)
    (model,) = look(Tree(tmp_path)).models
    assert ("ada_tiny-gguf_tiny-q4_k_m", "file") == (model.model, model.source)


def test_a_manifest_tells_it_too_and_brings_the_projector(tmp_path: Path) -> None:
    """Later versions wrote one for each repository."""
    a_llamacpp_cache(tmp_path, "ada/tiny-GGUF", "tiny-Q4_K_M.gguf", GGUF, note=False)
    a_llamacpp_cache(tmp_path, "ada/tiny-GGUF", "mmproj-F16.gguf", GGUF, note=False)
    manifest = {"ggufFile": {"rfilename": "tiny-Q4_K_M.gguf"}, "mmprojFile": {"rfilename": "mmproj-F16.gguf"}}
    (tmp_path / "manifest=ada=tiny-GGUF=latest.json").write_text(json.dumps(manifest))
    (model,) = look(Tree(tmp_path)).models
    assert "ada/tiny-GGUF:Q4_K_M" == model.model
    assert ["tiny-Q4_K_M.gguf", "mmproj-F16.gguf"] == [file.name for file in model.files]


@pytest.mark.parametrize("text", ["", "[]", '{"url": 3}', '{"url": "https://x/../../etc"}', "{" * 9000])
def test_a_note_that_says_nothing_is_no_note(tmp_path: Path, text: str) -> None:
    """The model is adopted under its file's name."""
    path = a_llamacpp_cache(tmp_path, "ada/tiny-GGUF", "tiny-Q4_K_M.gguf", GGUF)
    path.with_name(f"{path.name}.json").write_text(text)
    assert ["file"] == [model.source for model in look(Tree(tmp_path)).models]
