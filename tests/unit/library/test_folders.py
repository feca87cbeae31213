from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Artifact
from roundhouse.core.errors import NotFoundError
from roundhouse.library.blobs import Blobs
from roundhouse.library.folders import Folders, folder_name
from roundhouse.testing.builders import a_file, an_artifact


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    """Blobs of two files: ``one.gguf`` and ``two.gguf``."""
    blobs = Blobs(tmp_path / "blobs")
    (tmp_path / "blobs").mkdir()
    for name in ("one.gguf", "two.gguf"):
        blobs.path_of(a_file(name).digest).write_bytes(name.encode())
    return blobs


def both() -> Artifact:
    """A model of two files."""
    return an_artifact("acme/tiny:Q4_0", a_file("one.gguf"), a_file("two.gguf"))


def test_the_files_are_links_to_the_blobs(blobs: Blobs, tmp_path: Path) -> None:
    """A model takes its space once, and is loaded from its first file."""
    path = Folders(tmp_path / "models", blobs).ensure(both())
    assert path.name == "one.gguf"
    assert path.samefile(blobs.path_of(a_file("one.gguf").digest))
    assert {"one.gguf", "two.gguf"} == {each.name for each in path.parent.iterdir()}


def test_ensuring_twice_changes_nothing(blobs: Blobs, tmp_path: Path) -> None:
    """A folder that is right is left alone."""
    folders = Folders(tmp_path / "models", blobs)
    before = folders.ensure(both()).stat()
    assert before == folders.ensure(both()).stat()


def test_a_removed_or_replaced_link_is_put_back(blobs: Blobs, tmp_path: Path) -> None:
    """Whatever somebody did in the folder, the runtime gets the blob."""
    folders = Folders(tmp_path / "models", blobs)
    path = folders.ensure(both())
    path.unlink()
    path.write_bytes(b"something else")
    assert folders.ensure(both()).read_bytes() == b"one.gguf"


def test_files_that_no_longer_belong_are_removed(blobs: Blobs, tmp_path: Path) -> None:
    """After an update only the new files are in the folder."""
    folders = Folders(tmp_path / "models", blobs)
    folders.ensure(both())
    path = folders.ensure(replace(both(), files=(a_file("two.gguf"),)))
    assert ["two.gguf"] == [each.name for each in path.parent.iterdir()]


def test_a_file_system_without_hard_links_gets_symbolic_ones(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a copy: that would double the size of everything."""

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = Folders(tmp_path / "models", blobs).ensure(both())
    assert path.is_symlink()
    assert path.read_bytes() == b"one.gguf"


def test_a_missing_blob_is_named_with_what_to_do(blobs: Blobs, tmp_path: Path) -> None:
    """Bytes that are gone cannot be linked; the hint says how to get them back."""
    blobs.path_of(a_file("two.gguf").digest).unlink()
    with pytest.raises(NotFoundError, match=r"two\.gguf is gone") as caught:
        Folders(tmp_path / "models", blobs).ensure(both())
    assert "roundhouse pull" in (caught.value.hint or "")


def test_removing_a_folder_leaves_the_blobs(blobs: Blobs, tmp_path: Path) -> None:
    """Others may share them."""
    folders = Folders(tmp_path / "models", blobs)
    path = folders.ensure(both())
    folders.remove(both().model)
    assert (False, True) == (path.parent.exists(), blobs.has(a_file("one.gguf").digest))


@pytest.mark.parametrize("model", ["../../etc", "a/b:c", "CON", ".hidden", "x" * 200, "模型"])
def test_folder_names_are_safe(model: str) -> None:
    """One ordinary name, whatever the model is called."""
    name = folder_name(model)
    assert "/" not in name
    assert name.isascii()
    assert 1 < len(name) < 100
    assert not name.startswith(".")


def test_different_models_never_share_a_folder() -> None:
    """Not even where case is ignored or the readable part is the same."""
    names = [folder_name(model).lower() for model in ("a/b:c", "a-b-c", "A/B:C", "a/b-c")]
    assert len(set(names)) == len(names)
