"""Ollama's store is read as Ollama wrote it, and doubted where it may be wrong."""

from pathlib import Path

import pytest

from roundhouse.migration.found import Inventory, Trouble
from roundhouse.migration.stores.ollama import look
from roundhouse.migration.stores.walking import Tree
from roundhouse.sources.registry.manifest import files_of
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.stores import OllamaStore

GGUF = a_gguf(bytes(64))


@pytest.fixture
def store(tmp_path: Path) -> OllamaStore:
    """An empty store."""
    return OllamaStore(tmp_path / ".ollama")


def inventory(store: OllamaStore) -> Inventory:
    """What is found in *store*."""
    return look(Tree(store.root))


def troubles(store: OllamaStore) -> list[Trouble]:
    """What is wrong in *store*."""
    return [problem.trouble for problem in inventory(store).problems]


def test_a_model_is_called_as_in_ollama_and_knows_its_source(store: OllamaStore) -> None:
    """Name and tag stay; the reference finds it at the registry again."""
    store.add("llama3.2:3b", {"model": GGUF, "template": b"{{ .Prompt }}"})
    (model,) = inventory(store).models
    assert ("llama3.2:3b", "ollama:llama3.2:3b") == (model.model, model.ref)


@pytest.mark.parametrize(
    ("name", "model", "ref"),
    [
        ("ada/tiny:latest", "ada/tiny:latest", "ollama:ada/tiny:latest"),
        ("hf.co/ada/tiny-GGUF:Q4_K_M", "ada/tiny-GGUF:Q4_K_M", "ollama:hf.co/ada/tiny-GGUF:Q4_K_M"),
    ],
)
def test_other_owners_and_hosts_stay_in_the_names(store: OllamaStore, name: str, model: str, ref: str) -> None:
    """Ollama's own namespace and host are left out, all others are kept."""
    store.add(name, {"model": GGUF})
    assert (model, ref) == (inventory(store).models[0].model, inventory(store).models[0].ref)


def test_files_are_named_as_a_pull_names_them(store: OllamaStore) -> None:
    """A migrated model and a pulled one are the same."""
    layers = {
        "model": GGUF,
        "projector": GGUF,
        "license": b"MIT",
        "license#2": b"more",
        "params": b"{}",
        "system": b"x",
    }
    manifest = store.add("tiny:latest", layers)
    (model,) = inventory(store).models
    pulled = files_of(manifest.read_bytes(), "tiny", "https://registry.example/v2/library/tiny")
    assert [(file.name, file.digest, file.size) for file in pulled] == [
        (file.name, file.promised, file.size) for file in model.files
    ]


def test_what_is_not_applied_is_said(store: OllamaStore) -> None:
    """A template is kept, but nothing here uses it."""
    store.add("tiny:latest", {"model": GGUF, "template": b"{{ .Prompt }}"})
    assert "not applied" in inventory(store).models[0].notes[0]


@pytest.mark.parametrize(
    ("layers", "config", "trouble"),
    [
        ({"tensor": b"x"}, None, Trouble.UNSUPPORTED),
        ({"model": GGUF, "adapter": b"x"}, None, Trouble.UNSUPPORTED),
        ({}, {"remote_host": "https://ollama.com"}, Trouble.REMOTE),
        ({}, None, Trouble.UNSUPPORTED),
        ({"model": b"no gguf"}, None, Trouble.BROKEN),
        ({"model": GGUF[:-8]}, None, Trouble.BROKEN),
    ],
)
def test_what_cannot_run_is_told_apart(
    store: OllamaStore, layers: dict[str, bytes], config: dict[str, object] | None, trouble: Trouble
) -> None:
    """Tensor layers, adapters, cloud stubs and damaged weights are listed, not adopted."""
    store.add("tiny:latest", layers, config)
    assert ((), [trouble]) == (inventory(store).models, troubles(store))


def test_a_missing_blob_is_listed_and_the_others_are_held(store: OllamaStore) -> None:
    """A half-copied store lists fine in Ollama and fails when it runs; here it is said at once."""
    store.add("tiny:latest", {"model": GGUF, "template": b"x"})
    store.blob(GGUF).unlink()
    found = inventory(store)
    assert [Trouble.MISSING] == [problem.trouble for problem in found.problems]
    assert store.blob(b"x") in found.held


def test_a_blob_that_is_too_short_is_partial(store: OllamaStore) -> None:
    """The manifest knows the size."""
    store.add("tiny:latest", {"model": GGUF})
    store.blob(GGUF).write_bytes(GGUF[:100])
    assert [Trouble.PARTIAL] == troubles(store)


def test_downloads_that_were_cut_off_are_listed(store: OllamaStore) -> None:
    """Ollama hides them."""
    (store.root / "blobs" / f"sha256-{'0' * 64}-partial").write_bytes(b"x")
    assert [Trouble.PARTIAL] == troubles(store)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"layers": [{"mediaType": "x", "digest": "../../etc/passwd", "size": 1}]}', "[" * 100_000, "\0"],
)
def test_a_hostile_manifest_is_broken_and_nothing_more(store: OllamaStore, text: str) -> None:
    """Only our words come of it."""
    store.add("tiny:latest", {"model": GGUF}).write_text(text)
    assert [Trouble.BROKEN] == troubles(store)


def test_a_blob_that_leads_out_is_not_followed(store: OllamaStore, tmp_path: Path) -> None:
    """A link to somebody's key is no model."""
    store.add("tiny:latest", {"model": GGUF})
    (tmp_path / "secret").write_bytes(GGUF)
    blob = store.blob(GGUF)
    blob.unlink()
    blob.symlink_to(tmp_path / "secret")
    assert [Trouble.OUTSIDE] == troubles(store)
