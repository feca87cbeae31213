from pathlib import Path

import pytest

from roundhouse.backends.kinds.mlx.config import Household, Option, household_of
from roundhouse.core.errors import ConfigError


def test_everything_can_be_said() -> None:
    """Sizes in both units, times, folders and names."""
    said: dict[str, Option] = {
        "python": "/opt/mlx/bin/python",
        "model": "/models/qwen",
        "draft_model": "org/small",
        "memory": "24GiB",
        "prompt_cache": "4GB",
        "context": 16_384,
        "parallel": 8,
        "unload_after": "2h",
        "preload": True,
    }
    expected = Household(
        Path("/opt/mlx/bin/python"), Path("/models/qwen"), "org/small", 24 << 30, 4 * 10**9, 16_384, 8, 7200.0,
        preload=True,
    )  # fmt: skip
    assert expected == household_of("mlx", said)


def test_nothing_need_be_said() -> None:
    """Our own interpreter, all of the library, and the rest is reckoned."""
    assert Household() == household_of("mlx", {})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("python", "python3"),
        ("python", 3),
        ("model", "~/models/qwen"),
        ("model", "./qwen"),
        ("memory", "lots"),
        ("memory", True),
        ("memory", 0),
        ("memory", "9" * 15 + "TiB"),
        ("prompt_cache", "4 GiB of it"),
        ("context", 0),
        ("context", 1.5),
        ("parallel", 257),
        ("parallel", True),
        ("unload_after", 300),
        ("unload_after", "soon"),
        ("preload", "yes"),
    ],
)
def test_what_makes_no_sense_is_refused(key: str, value: Option) -> None:
    """With what it must be."""
    with pytest.raises(ConfigError, match=f"backends.mlx.options.{key} must be"):
        household_of("mlx", {key: value})


def test_an_unknown_option_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(ConfigError, match="'keep_alive'") as caught:
        household_of("mlx", {"keep_alive": "5m"})
    assert "unload_after" in (caught.value.hint or "")


def test_preloading_needs_to_know_what() -> None:
    """All of a library would be too much."""
    with pytest.raises(ConfigError, match="which one"):
        household_of("mlx", {"preload": True})
