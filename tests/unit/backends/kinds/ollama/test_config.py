import pytest

from roundhouse.backends.kinds.ollama.config import Policy, policy_of
from roundhouse.backends.kinds.ollama.facts import Limits
from roundhouse.core.errors import ConfigError


def test_nothing_said_is_the_usual() -> None:
    """Ollama's own settings decide how long a model stays."""
    assert Policy() == policy_of("o", {})


def test_everything_can_be_said() -> None:
    """Each option has its place."""
    options: dict[str, str | int | float | bool] = {
        "keep_alive": "30m", "num_ctx": 8192, "max_context": 32_768, "cloud": True, "embedding_wait_ms": 0,
        "embedding_cache_mb": 1, "embedding_ttl_s": 60, "preload": "a:1b, b,,a:1b",
    }  # fmt: skip
    expected = Policy(
        "30m",
        Limits(8192, 32_768),
        cloud=True,
        embedding_wait_s=0.0,
        embedding_cache=1 << 20,
        embedding_ttl_s=60.0,
        preload=("a:1b", "b"),
    )
    assert expected == policy_of("o", options)


def test_where_nothing_is_kept_no_embedding_is() -> None:
    """Whatever its own section says."""
    assert 0 == policy_of("o", {"embedding_cache_mb": 8}, keeps=False).embedding_cache


@pytest.mark.parametrize(("given", "expected"), [("-1", -1), (300, 300), (0, 0), ("1.5h", "1.5h"), (2.0, 2)])
def test_a_bare_number_is_seconds(given: str | float, expected: str | int) -> None:
    """Ollama takes it as a number only."""
    assert expected == policy_of("o", {"keep_alive": given}).keep_alive


@pytest.mark.parametrize(
    "options",
    [
        {"num_ctx": 0},
        {"num_ctx": "many"},
        {"max_context": True},
        {"keep_alive": "soon"},
        {"cloud": 1},
        {"embedding_wait_ms": 101},
        {"embedding_cache_mb": -1},
        {"preload": True},
        {"context": 1},
    ],
)
def test_what_it_does_not_know_is_refused(options: dict[str, str | int | float | bool]) -> None:
    """With the name of the key."""
    with pytest.raises(ConfigError, match=next(iter(options))):
        policy_of("o", options)
