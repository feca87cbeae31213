from typing import Any

import pytest

from roundhouse.backends.kinds.anthropic.config import policy_of
from roundhouse.core.errors import ConfigError


def test_the_version_is_always_said() -> None:
    """Anthropic refuses whoever does not; beta features are asked for beside it."""
    assert {"anthropic-version": "2023-06-01"} == policy_of("a", {}).headers
    assert "x-1,y-2" == policy_of("a", {"beta": "x-1,y-2"}).headers["anthropic-beta"]


@pytest.mark.parametrize(
    ("options", "largest", "tokens"),
    [
        ({}, 128_000, 32_000),
        ({}, 4096, 4096),
        ({}, None, 8192),
        ({"max_tokens": 100_000}, 128_000, 100_000),
        ({"max_tokens": 100_000}, 64_000, 64_000),
        ({"max_tokens": 100_000}, None, 100_000),
    ],
)
def test_an_answer_that_nobody_limits_has_a_limit(options: dict[str, Any], largest: int | None, tokens: int) -> None:
    """Anthropic demands one; it never exceeds what the model has."""
    assert tokens == policy_of("a", options).usual_answer(largest)


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": 0}, {"max_tokens": True}, {"max_tokens": "many"}, {"cache": "2h"}, {"cache": 1},
        {"beta": "a\r\nb"}, {"beta": 7}, {"beta": ""}, {"colour": "red"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(options: dict[str, Any]) -> None:
    """When it is read, not when it is used."""
    with pytest.raises(ConfigError, match=next(iter(options))):
        policy_of("a", options)
