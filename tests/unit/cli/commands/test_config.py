import json
import tomllib
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Run


@pytest.fixture
def configured(home: Path) -> Path:
    """A home with a file."""
    (home / "roundhouse.toml").write_text(
        '[server]\nport = 9000\n[storage]\ndatabase_url = "postgresql://me:hush@db/x"\n', encoding="utf-8"
    )
    return home


@pytest.mark.usefixtures("configured")
def test_show_tells_value_and_source(run: Run) -> None:
    """Every value with where it came from."""
    listed = run("config", "show", "--json").json["settings"]
    assert (9000, "file") == (listed["server.port"]["value"], listed["server.port"]["source"])
    assert "default" == listed["server.host"]["source"]


@pytest.mark.usefixtures("configured")
def test_show_changed_is_what_is_not_default(run: Run) -> None:
    """Only what somebody said."""
    assert "server.port\nstorage.database_url\n" == run("config", "show", "--changed", "-q").out


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("words", [["show"], ["show", "--json"], ["explain", "storage.database_url"]])
def test_a_password_is_never_shown(run: Run, words: list[str]) -> None:
    """The database's password stays in the file."""
    outcome = run("config", *words)
    assert "postgresql://me:***@db/x" in outcome.out
    assert "hush" not in outcome.out


def test_example_and_schema_are_for_files(run: Run) -> None:
    """Both are what a file needs: TOML to start from, JSON schema for editors."""
    assert "server" in tomllib.loads(run("config", "show", "--example").out)
    assert "properties" in json.loads(run("config", "show", "--schema").out)


def test_explain_says_how_to_change_it(run: Run) -> None:
    """Value, source, default, the line and the variable."""
    rows = dict(run("config", "explain", "server.port").rows)
    assert ("8484", "default", "ROUNDHOUSE_SERVER__PORT") == (rows["value"], rows["from"], rows["variable"])


@pytest.mark.parametrize(
    ("key", "says"), [("server.prot", "did you mean server.port?"), ("backends.c.ulr", "did you mean backends.c.url?")]
)
def test_explain_of_what_is_not_there_is_exit_3(run: Run, key: str, says: str) -> None:
    """A misspelt key is told its right name."""
    outcome = run("config", "explain", key)
    assert 3 == outcome.code
    assert says in outcome.err


@pytest.mark.parametrize(
    ("key", "value"), [("backends.c.url", "not set"), ("backends.c.models", "[]"), ("backends.c.enabled", "true")]
)
def test_explain_knows_the_settings_of_backends_to_come(run: Run, key: str, value: str) -> None:
    """The help's own example works before anything is configured."""
    rows = dict(run("config", "explain", key).rows)
    assert (value, "default") == (rows["value"], rows["from"])


@pytest.mark.usefixtures("configured")
def test_validate_says_that_a_file_is_right(run: Run, home: Path) -> None:
    """Exit 0 and which file it was."""
    assert {"ok": True, "file": str(home / "roundhouse.toml")} == run("config", "validate", "--json").json


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server]\nprot = 1\n", "server.prot"),
        ('[backends.c]\nkind = "opnai-compatible"\nurl = "http://x"\n', "did you mean 'openai-compatible'?"),
        ("[server\n", "not valid TOML"),
    ],
)
def test_validate_names_mistakes_with_exit_2(run: Run, tmp_path: Path, text: str, says: str) -> None:
    """A wrong file, another file than the home's too."""
    file = tmp_path / "other.toml"
    file.write_text(text, encoding="utf-8")
    outcome = run("config", "validate", str(file))
    assert 2 == outcome.code
    assert says in outcome.err


def test_validate_warns_about_a_key_that_is_not_there(run: Run, tmp_path: Path) -> None:
    """The file is right, but the variable it names holds nothing."""
    file = tmp_path / "other.toml"
    file.write_text('[backends.c]\nurl = "http://x"\napi_key_env = "NO_SUCH_KEY_HERE"\n', encoding="utf-8")
    outcome = run("config", "validate", str(file))
    assert 0 == outcome.code
    assert "NO_SUCH_KEY_HERE holds no key" in outcome.err
