"""Who gave an answer, and what says that nobody can."""

import pytest
from msgspec.json import encode

from roundhouse.backends.kinds.lmstudio.saying import StrangerError, check_speaker, is_gone
from roundhouse.backends.wire.failures import failure
from roundhouse.core.errors import SchemaError


@pytest.mark.parametrize(
    "said",
    ["qwen/qwen3-4b", "qwen/qwen3-4b:2", "qwen3-4b", "Qwen/Qwen3-4B", "qwen/qwen3-4b@q4_k_m", "mine", "", None, 4],
)
def test_a_copy_or_a_variant_is_the_model_itself(said: object) -> None:
    """With some answers LM Studio tells which, and with old versions nothing."""
    check_speaker(encode({"model": said}), "mine", "qwen/qwen3-4b")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"choices":[]}', b"[" * 100_000, b'{"model":"\xff"}'])
def test_what_names_nobody_is_no_stranger(data: bytes) -> None:
    """Whoever reads the answer says what is wrong with it."""
    check_speaker(data, "mine")


@pytest.mark.parametrize("said", ["qwen/qwen3-8b", "qwen3-4b-2507", "mine:x", "gemma"])
def test_any_other_name_is_a_stranger(said: str) -> None:
    """Also one that begins alike."""
    with pytest.raises(StrangerError, match="answered, and mine was asked"):
        check_speaker(encode({"model": said}), "mine", "qwen/qwen3-4b")


@pytest.mark.parametrize(
    ("status", "message", "gone"),
    [
        (404, 'Model "default" not found. Please specify a valid model.', True),
        (400, "Model is unloaded.", True),
        (400, 'Invalid model identifier "echo:1". Please specify a valid downloaded model', True),
        (400, "No models loaded. Please load a model in the developer page or use the lms load command.", True),
        (400, "'messages' must be an array", False),
        (500, "The model has crashed without additional information.", False),
        (500, "Failed to load model: insufficient system resources", False),
    ],
)
def test_what_is_gone_is_told_in_many_ways(status: int, message: str, gone: bool) -> None:  # noqa: FBT001 - a table
    """With a status that says something else."""
    assert gone == is_gone(failure(status, {}, encode({"error": {"message": message}})))


def test_a_wrong_request_is_not_taken_for_a_missing_model() -> None:
    """It would be asked twice, and load something."""
    assert not is_gone(SchemaError("the schema is not supported"))
