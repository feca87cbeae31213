from pathlib import Path

import pytest

from roundhouse.core.errors import ConfigError
from roundhouse.settings.gather import from_environment, from_file, from_flags


def test_a_file_is_flattened_to_dotted_keys(tmp_path: Path) -> None:
    """Tables become keys; the name of an alias may hold dots."""
    file = tmp_path / "roundhouse.toml"
    file.write_text('[server]\nport = 1\n[routing.weights]\nload = 2\n[aliases]\n"gpt-4.1" = ["a"]\n', encoding="utf-8")
    assert [("server.port", 1), ("routing.weights.load", 2), ("aliases.gpt-4.1", ["a"])] == [
        (one.key, one.raw) for one in from_file(file)
    ]


def test_an_empty_section_says_nothing(tmp_path: Path) -> None:
    """An example file with everything commented out is a right file."""
    file = tmp_path / "roundhouse.toml"
    file.write_text("[server]\n[backends]\n[aliases]\n", encoding="utf-8")
    assert [] == list(from_file(file))


@pytest.mark.parametrize("content", [b"[server\n", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_a_file_that_is_no_toml_is_an_error(tmp_path: Path, content: bytes) -> None:
    """The error names the file."""
    file = tmp_path / "roundhouse.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"roundhouse\.toml is not valid TOML"):
        list(from_file(file))


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A named file must exist."""
    with pytest.raises(ConfigError, match="cannot read"):
        list(from_file(tmp_path / "none.toml"))


def test_only_variables_that_mean_settings_count(tmp_path: Path) -> None:
    """Variables for the tests, the home and other programs are left alone."""
    environment = {
        "ROUNDHOUSE_HOME": "/x",
        "ROUNDHOUSE_TEST_POSTGRES_URL": "x",
        "ROUNDHOUSE_LITELLM_PYTHON": "x",
        "PATH": "x",
        "ROUNDHOUSE_SERVER__PORT": "1",
        "ROUNDHOUSE_SERVER_HOST": "x",
    }
    assert ["server_host", "server.port"] == [one.key for one in from_environment(environment, tmp_path)]


def test_the_hubs_own_variable_is_weaker_than_ours(tmp_path: Path) -> None:
    """HF_ENDPOINT comes first, so that our variable overrides it."""
    environment = {"ROUNDHOUSE_DOWNLOADS__ENDPOINT": "http://ours", "HF_ENDPOINT": "http://theirs"}
    assert ["http://theirs", "http://ours"] == [one.raw for one in from_environment(environment, tmp_path)]


def test_a_flag_is_named_as_it_is_typed(tmp_path: Path) -> None:
    """Provenance of a flag is the flag."""
    (one,) = from_flags({"routing.max_attempts": 2}, tmp_path)
    assert "flag --max-attempts" == str(one.source)
