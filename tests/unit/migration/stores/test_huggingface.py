"""The Hugging Face cache is read as it is: links, no links, several revisions, halves."""

from pathlib import Path

import pytest

from roundhouse.migration.found import Inventory, Trouble
from roundhouse.migration.stores.huggingface import look
from roundhouse.migration.stores.walking import Tree
from roundhouse.testing.adoption import digest_of
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.safetensors import a_model_folder
from roundhouse.testing.stores import COMMIT, HuggingFaceCache

GGUF = a_gguf(bytes(64))


@pytest.fixture
def cache(tmp_path: Path) -> HuggingFaceCache:
    """An empty cache."""
    return HuggingFaceCache(tmp_path / "huggingface")


def inventory(cache: HuggingFaceCache) -> Inventory:
    """What is found in *cache*."""
    return look(Tree(cache.root))


def test_models_are_called_as_pulls_call_them(cache: HuggingFaceCache) -> None:
    """Owner, repository and quantisation; the commit is known."""
    cache.add("ada/tiny-GGUF", {"tiny-Q4_K_M.gguf": GGUF, "tiny-Q8_0.gguf": a_gguf(bytes(128)), "README.md": b"hi"})
    models = inventory(cache).models
    assert ["ada/tiny-GGUF:Q4_K_M", "ada/tiny-GGUF:Q8_0"] == [model.model for model in models]
    assert ("hf:ada/tiny-GGUF:Q4_K_M", COMMIT) == (models[0].ref, models[0].revision)


def test_the_name_of_a_large_blob_is_a_promise(cache: HuggingFaceCache) -> None:
    """It is the sha256, to be checked."""
    cache.add("ada/tiny-GGUF", {"tiny-Q4_K_M.gguf": GGUF})
    (file,) = inventory(cache).models[0].files
    assert (digest_of(GGUF), "tiny-Q4_K_M.gguf") == (file.promised, file.name)


def test_a_cache_without_links_is_read_too(cache: HuggingFaceCache) -> None:
    """Windows has files in the snapshots; then nothing is promised."""
    cache.add("ada/tiny-GGUF", {"tiny-Q4_K_M.gguf": GGUF}, links=False)
    (file,) = inventory(cache).models[0].files
    assert file.promised is None


def test_shards_and_projectors_come_along(cache: HuggingFaceCache) -> None:
    """A model in two files with a projector is one model of three."""
    names = ["q/m-Q4_0-00001-of-00002.gguf", "q/m-Q4_0-00002-of-00002.gguf", "q/mmproj-F16.gguf"]
    cache.add("ada/big-GGUF", {name: a_gguf(bytes([number]) * 64, split__count=2) for number, name in enumerate(names)})
    (model,) = inventory(cache).models
    assert [name.removeprefix("q/") for name in names] == [file.name for file in model.files]


def test_a_missing_shard_is_partial_and_holds_the_others(cache: HuggingFaceCache) -> None:
    """Half a model is none, and what is there must not move."""
    cache.add("ada/big-GGUF", {"m-Q4_0-00001-of-00002.gguf": GGUF})
    found = inventory(cache)
    assert [Trouble.PARTIAL] == [problem.trouble for problem in found.problems]
    assert {cache.folder("ada/big-GGUF") / "blobs" / digest_of(GGUF)} == found.held


def test_only_the_revision_of_main_is_adopted(cache: HuggingFaceCache) -> None:
    """An older one is listed; blobs that both share are held."""
    cache.add("ada/tiny-GGUF", {"tiny-Q4_K_M.gguf": GGUF}, commit="aa" * 20, main=False)
    cache.add("ada/tiny-GGUF", {"tiny-Q4_K_M.gguf": GGUF})
    found = inventory(cache)
    assert ([COMMIT], [Trouble.OLDER]) == (
        [model.revision for model in found.models],
        [problem.trouble for problem in found.problems],
    )
    assert len(found.held) == 1


@pytest.mark.parametrize("name", [f"{'0' * 64}.1a2b3c4d.incomplete", f"{'0' * 64}.downloadInProgress"])
def test_downloads_that_were_cut_off_are_listed(cache: HuggingFaceCache, name: str) -> None:
    """Both programs that share this cache leave their own kind."""
    cache.add("ada/tiny-GGUF", {"tiny-Q4_K_M.gguf": GGUF})
    (cache.folder("ada/tiny-GGUF") / "blobs" / name).write_bytes(b"x")
    assert [Trouble.PARTIAL] == [problem.trouble for problem in inventory(cache).problems]


def test_a_link_that_dangles_is_missing(cache: HuggingFaceCache) -> None:
    """It drops this model, and no other."""
    cache.add("ada/tiny-GGUF", {"tiny-Q4_K_M.gguf": GGUF})
    cache.add("ada/other-GGUF", {"other-Q8_0.gguf": a_gguf(bytes(128))})
    (cache.folder("ada/tiny-GGUF") / "blobs" / digest_of(GGUF)).unlink()
    found = inventory(cache)
    assert (["ada/other-GGUF:Q8_0"], [Trouble.MISSING]) == (
        [model.model for model in found.models],
        [problem.trouble for problem in found.problems],
    )


@pytest.mark.parametrize("target", ["../../../models--ada--other-GGUF/blobs/x", "/etc/hostname", "../../../../token"])
def test_a_link_leads_to_its_own_blobs_or_nowhere(cache: HuggingFaceCache, target: str) -> None:
    """Tokens lie near, and are never opened."""
    snapshot = cache.add("ada/tiny-GGUF", {})
    (snapshot / "tiny-Q4_K_M.gguf").symlink_to(target)
    assert [Trouble.OUTSIDE] == [problem.trouble for problem in inventory(cache).problems]


def test_a_repository_without_models_is_said_to_have_none(cache: HuggingFaceCache) -> None:
    """Only what runs here is adopted."""
    cache.add("ada/bert", {"pytorch_model.bin": b"x", "config.json": b"{}"})
    assert [Trouble.UNSUPPORTED] == [problem.trouble for problem in inventory(cache).problems]


def test_a_set_of_safetensors_is_a_model_with_what_lies_beside_it(cache: HuggingFaceCache) -> None:
    """It is called by its repository, as a pull calls it."""
    files = a_model_folder()
    cache.add("ada/tiny", files | {"README.md": b"hi", "modeling.py": b"code"})
    (model,) = inventory(cache).models
    assert ("ada/tiny", "hf:ada/tiny") == (model.model, model.ref)
    assert set(files) == {file.name for file in model.files}
    assert model.files[0].name.endswith("1-of-00002.safetensors")


def test_a_set_with_a_missing_shard_is_none(cache: HuggingFaceCache) -> None:
    """Its files tell that there should be more."""
    files = a_model_folder()
    del files["model-00002-of-00002.safetensors"]
    cache.add("ada/tiny", files)
    assert () == inventory(cache).models
