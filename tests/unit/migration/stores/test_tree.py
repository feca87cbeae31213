"""Any tree of model files is read, and LM Studio's by its two levels of names."""

from pathlib import Path

from roundhouse.migration.found import Trouble
from roundhouse.migration.stores.tree import look, look_lmstudio
from roundhouse.migration.stores.walking import Tree
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.safetensors import a_model_folder
from roundhouse.testing.stores import an_lmstudio_folder

GGUF = a_gguf(bytes(64))


def test_files_of_a_tree_are_called_by_their_stems(tmp_path: Path) -> None:
    """As a pull of the same file would call them; the reference is the path."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "My Model Q4_K_M.gguf").write_bytes(GGUF)
    (model,) = look(Tree(tmp_path)).models
    assert ("my-model-q4_k_m", f"file:{tmp_path}/deep/My Model Q4_K_M.gguf") == (model.model, model.ref)


def test_lm_studio_knows_publisher_and_repository(tmp_path: Path) -> None:
    """Whether they are the hub's nobody can tell, so the reference is the path."""
    an_lmstudio_folder(tmp_path, "ada/tiny-GGUF", {"tiny-Q4_K_M.gguf": GGUF, "mmproj-F16.gguf": GGUF})
    (model,) = look_lmstudio(Tree(tmp_path)).models
    assert ("ada/tiny-GGUF:Q4_K_M", "file") == (model.model, model.source)
    assert ["tiny-Q4_K_M.gguf", "mmproj-F16.gguf"] == [file.name for file in model.files]


def test_two_files_of_one_quantisation_are_told_apart_by_name(tmp_path: Path) -> None:
    """A name stands for one model."""
    an_lmstudio_folder(tmp_path, "ada/tiny", {"a-Q4_0.gguf": GGUF, "b-Q4_0.gguf": GGUF})
    assert ["ada/tiny:a-Q4_0", "ada/tiny:b-Q4_0"] == [model.model for model in look_lmstudio(Tree(tmp_path)).models]


def test_links_that_go_round_catch_nobody(tmp_path: Path) -> None:
    """Links to folders are not followed."""
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "m.gguf").write_bytes(GGUF)
    assert ["m"] == [model.model for model in look(Tree(tmp_path)).models]


def test_a_link_within_the_tree_is_followed_and_one_out_of_it_is_not(tmp_path: Path) -> None:
    """The real file is what counts."""
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    (root / "real" / "weights").write_bytes(GGUF)
    (root / "in.gguf").symlink_to(root / "real" / "weights")
    (tmp_path / "out").write_bytes(GGUF)
    (root / "out.gguf").symlink_to(tmp_path / "out")
    found = look(Tree(root))
    assert [root / "real" / "weights"] == [file.path for model in found.models for file in model.files]
    assert [Trouble.OUTSIDE] == [problem.trouble for problem in found.problems]


def test_our_own_folders_are_spared(tmp_path: Path) -> None:
    """A tree that our home lies in does not adopt itself."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "m.gguf").write_bytes(GGUF)
    assert () == look(Tree(tmp_path, frozenset({tmp_path / "home"}))).models


def test_halves_are_listed(tmp_path: Path) -> None:
    """A download that was cut off, a file that was cut short, a pipe."""
    (tmp_path / "a.gguf.part").write_bytes(b"x")
    (tmp_path / "b.gguf").write_bytes(GGUF[:-4])
    found = look(Tree(tmp_path))
    assert [Trouble.PARTIAL, Trouble.BROKEN] == [problem.trouble for problem in found.problems]


def test_a_folder_of_safetensors_is_called_by_its_name(tmp_path: Path) -> None:
    """LM Studio keeps MLX models so; the files are all called alike."""
    an_lmstudio_folder(tmp_path, "ada/Tiny-MLX", a_model_folder())
    names = [model.model for tree in (look, look_lmstudio) for model in tree(Tree(tmp_path)).models]
    assert ["tiny-mlx", "ada/Tiny-MLX"] == names
