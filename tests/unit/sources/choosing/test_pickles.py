import pytest

from roundhouse.core.errors import PolicyError
from roundhouse.sources.choosing import is_pickle, refuse_pickles


@pytest.mark.parametrize("path", ["pytorch_model.bin", "a/b.PT", "x.ckpt", "x.pkl", "x.pth"])
def test_pickles_are_refused(path: str) -> None:
    """Loading one runs it."""
    assert is_pickle(path)
    with pytest.raises(PolicyError, match="runs the code"):
        refuse_pickles(["config.json", path])


def test_other_files_are_not() -> None:
    """They hold only numbers, or words."""
    refuse_pickles(["model.safetensors", "model.gguf", "tokenizer.json"])
