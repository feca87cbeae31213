import pytest

from roundhouse.backends.kinds.anthropic.nature import nature_by_name

TRAITS = ("adaptive", "budget", "silent", "samples", "schemas")


@pytest.mark.parametrize(
    ("model", "traits"),
    [
        ("claude-3-haiku-20240307", "samples"),
        ("claude-3-7-sonnet-20250219", "budget samples"),
        ("claude-opus-4-20250514", "budget samples"),
        ("claude-opus-4-1-20250805", "budget samples"),
        ("claude-sonnet-4-5-20250929", "budget samples schemas"),
        ("anthropic/claude-haiku-4.5", "budget samples schemas"),
        ("us.anthropic.claude-opus-4-6-v1", "adaptive budget silent samples schemas"),
        ("claude-opus-4-7-20260416", "adaptive silent schemas"),
        ("claude-sonnet-5", "adaptive silent schemas"),
        ("claude-opus-5-5", "adaptive schemas"),
        ("claude-fable-5", "adaptive schemas"),
        ("claude-mythos-preview", "adaptive schemas"),
        ("claude-opus-6-20270101", "adaptive schemas"),
        ("MiniMax-M3", "budget samples"),
    ],
)
def test_the_version_tells_what_a_model_takes(model: str, traits: str) -> None:
    """Also one that nobody has seen yet."""
    nature = nature_by_name(model)
    assert traits.split() == [name for name in TRAITS if getattr(nature, name)]


@pytest.mark.parametrize(
    ("model", "context", "answer"),
    [
        ("claude-haiku-4-5", 200_000, 64_000),
        ("claude-opus-4-1", 200_000, 32_000),
        ("claude-3-5-sonnet-20241022", 200_000, 8192),
        ("claude-3-opus-20240229", 200_000, 4096),
        ("claude-sonnet-4-6", 1_000_000, 128_000),
        ("claude-2.1", None, 4096),
        ("gpt", None, None),
    ],
)
def test_sizes_are_those_that_are_documented(model: str, context: int | None, answer: int | None) -> None:
    """Where the list does not tell."""
    nature = nature_by_name(model)
    assert (context, answer) == (nature.context, nature.answer)
