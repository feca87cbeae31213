"""What is offered instead of what may not be fetched."""

import pytest

from roundhouse.core.desks.instead import closest, refusal

HERE = ["Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M", "bartowski/Llama-3.2-3B:Q8_0", "roundhouse/noise"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("hf:Qwen/Qwen2.5-7B-Instruct-GGUF", [HERE[0]]),
        ("ollama:llama3.2:3b", [HERE[1]]),
        ("https://example.com/noise.gguf", [HERE[2]]),
        ("hf:mistralai/Ministral", []),
    ],
)
def test_models_that_share_words_are_named(wanted: str, expected: list[str]) -> None:
    """The most alike first; words that every name has do not count."""
    assert closest(wanted, HERE) == expected


@pytest.mark.parametrize(
    ("here", "hint"), [(HERE, "roundhouse chat Qwen"), (["a/b"], "models ls"), ([], "pull one from a folder")]
)
def test_the_error_names_the_next_command(here: list[str], hint: str) -> None:
    """Whatever there is, or is not."""
    error = refusal("hf:Qwen/Qwen3-8B", here)
    assert (error.code, hint in str(error.hint)) == ("E_OFFLINE", True)
    assert error.details["available"] == (HERE[:1] if here is HERE else [])
