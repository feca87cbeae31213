import pytest

from roundhouse.backends.kinds.lmstudio.config import Policy, policy_of
from roundhouse.core.errors import ConfigError


def test_nothing_said_is_the_usual() -> None:
    """What requests had loaded stays for an hour, where LM Studio itself has no say in it."""
    usual = policy_of("s", {})
    assert (Policy(), 3600.0, None) == (usual, usual.keep_s, usual.ttl_s)


def test_everything_can_be_said() -> None:
    """Each option has its place."""
    policy = policy_of("s", {"context": 8192, "unload_after": "30min", "preload": "qwen/qwen3-4b, gemma,gemma phi"})
    assert Policy(8192, 1800.0, ("qwen/qwen3-4b", "gemma", "phi")) == policy


def test_never_is_for_ever() -> None:
    """Of LM Studio itself that cannot be asked."""
    policy = policy_of("s", {"unload_after": "never"})
    assert (float("inf"), None) == (policy.keep_s, policy.ttl_s)


@pytest.mark.parametrize(
    "options",
    [
        {"context": 0},
        {"context": True},
        {"context": "large"},
        {"context": 1 << 40},
        {"unload_after": 30},
        {"unload_after": "soon"},
        {"unload_after": "0s"},
        {"preload": True},
        {"preload": "a,,b"},
    ],
)
def test_what_is_no_value_is_refused(options: dict[str, str | int | float | bool]) -> None:
    """With what it must be."""
    (key,) = options
    with pytest.raises(ConfigError, match=rf"backends\.s\.options\.{key} must be"):
        policy_of("s", options)


def test_what_is_unknown_is_refused() -> None:
    """With what there is."""
    with pytest.raises(ConfigError, match="no 'num_ctx' for LM Studio") as caught:
        policy_of("s", {"num_ctx": 8192})
    assert "there is context, unload_after, preload" == caught.value.hint
