from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from roundhouse.app.compose import EMBEDDED
from roundhouse.core.errors import ConfigError
from roundhouse.settings import Provenance, Secret, Settings, load

Loader = Callable[..., Settings]


@pytest.fixture
def read(tmp_path: Path) -> Loader:
    """Read settings of an empty home, with this file and this environment."""

    def with_file(text: str = "", environment: Mapping[str, str] | None = None, **flags: object) -> Settings:
        (tmp_path / "roundhouse.toml").write_text(text, encoding="utf-8")
        dotted = {name.replace("__", "."): value for name, value in flags.items()}
        return load(home=tmp_path, environment=environment or {}, flags=dotted)

    return with_file


def test_without_anything_all_is_default(tmp_path: Path) -> None:
    """A fresh home needs no file, and its state lies in it."""
    settings = load(home=tmp_path, environment={})
    assert ("127.0.0.1", 8484, tmp_path / "library", None) == (
        settings.server.host,
        settings.server.port,
        settings.library.path,
        settings.config_file,
    )
    assert f"sqlite:///{tmp_path}/roundhouse.sqlite" == settings.storage.database_url


def test_flag_beats_environment_beats_file(read: Loader) -> None:
    """The nearer to the person, the stronger; each value knows its source."""
    file = "[server]\nport = 1\nhost = '127.0.0.2'\ndrain_s = 9\n"
    environment = {"ROUNDHOUSE_SERVER__PORT": "2", "ROUNDHOUSE_SERVER__HOST": "127.0.0.3"}
    settings = read(file, environment, server__port=3)
    assert (3, "127.0.0.3", 9.0) == (settings.server.port, settings.server.host, settings.server.drain_s)
    sources = [settings.provenance[f"server.{name}"].source for name in ("port", "host", "drain_s", "max_body")]
    assert ["flag", "environment", "file", "default"] == sources


def test_home_is_found_in_the_environment(tmp_path: Path) -> None:
    """ROUNDHOUSE_HOME names the home; without it the usual place of the user counts."""
    assert tmp_path == load(environment={"ROUNDHOUSE_HOME": str(tmp_path)}).home
    assert tmp_path / ".local/share/roundhouse" == load(environment={"HOME": str(tmp_path)}).home


def test_a_named_file_is_read_instead_of_the_homes(tmp_path: Path) -> None:
    """--config and ROUNDHOUSE_CONFIG name another file."""
    other = tmp_path / "other.toml"
    other.write_text("[server]\nport = 7\n", encoding="utf-8")
    by_flag = load(home=tmp_path, config=other, environment={})
    by_variable = load(home=tmp_path, environment={"ROUNDHOUSE_CONFIG": str(other)})
    assert (7, 7, other) == (by_flag.server.port, by_variable.server.port, by_flag.config_file)


def test_a_relative_path_counts_from_its_file(read: Loader, tmp_path: Path) -> None:
    """A file that moves with its folders keeps its meaning."""
    assert tmp_path / "models" == read('[library]\npath = "models"\n').library.path


def test_the_hubs_variable_is_honoured(read: Loader) -> None:
    """HF_ENDPOINT names the hub, and shows as the source."""
    settings = read(environment={"HF_ENDPOINT": "http://127.0.0.1:9/"})
    assert "http://127.0.0.1:9" == settings.downloads.endpoint
    assert Provenance("environment", "HF_ENDPOINT") == settings.provenance["downloads.endpoint"]


def test_a_backend_has_defaults_too(read: Loader) -> None:
    """A url is enough."""
    backend = read('[backends.cloud]\nurl = "https://x.example/v1"\n').backends["cloud"]
    assert ("openai-compatible", (), True, None) == (backend.kind, backend.models, backend.enabled, backend.api_key)


def test_a_backend_may_live_in_the_environment(read: Loader) -> None:
    """Containers configure by variables alone."""
    settings = read(
        environment={"ROUNDHOUSE_BACKENDS__CLOUD__URL": "http://127.0.0.1:1", "ROUNDHOUSE_ALIASES__FAST": "a,b"}
    )
    assert ("http://127.0.0.1:1", ("a", "b")) == (settings.backends["cloud"].url, settings.aliases["fast"])


def test_a_key_comes_from_the_variable_that_is_named(read: Loader) -> None:
    """The file names the variable, never the key."""
    settings = read('[backends.c]\nurl = "http://x.example"\napi_key_env = "C_KEY"\n', {"C_KEY": "hush"})
    assert Secret("hush") == settings.backends["c"].api_key
    assert "hush" not in repr(settings)


def test_a_key_comes_from_the_file_that_is_named(read: Loader, tmp_path: Path) -> None:
    """A key file may stand beside the configuration; one that is missing is no key."""
    (tmp_path / "key").write_text("hush\n", encoding="utf-8")
    text = '[backends.{0}]\nurl = "http://x.example"\napi_key_file = "{1}"\n'
    settings = read(text.format("a", "key") + text.format("b", "none"))
    assert (Secret("hush"), None) == (settings.backends["a"].api_key, settings.backends["b"].api_key)


@pytest.mark.parametrize(
    ("text", "sentence", "hint"),
    [
        ("[server]\nprot = 1\n", "there is no setting server.prot", "did you mean server.port?"),
        ("port = 1\n", "there is no setting port", "did you mean server.port?"),
        ("[serve]\nport = 1\n", "there is no setting serve.port", "did you mean server.port?"),
        ("[backends.c]\nulr = 'http://x'\n", "there is no setting backends.c.ulr", "did you mean backends.c.url?"),
        ("[xyzzy]\nqq = 1\n", "there is no setting xyzzy.qq", "lists all settings"),
        ("[server]\nport = 'x'\n", "server.port must be a whole number from 0 to 65535, not 'x'", "correct it in"),
        ("[backends.c]\nenabled = true\n", "backends.c needs a url", "add url ="),
        ("[backends.c]\n", "there is no setting backends.c", ""),
        ("[backends.'a/b']\nurl = 'http://x'\n", "a backend's name is made of", "rename it"),
        ("[backends.c]\napi_key = 'sk-1'\n", "secrets do not stand in settings", "api_key_env"),
        ("[aliases]\nauto = ['a']\n", "cannot be an alias", "another name"),
    ],
)
def test_a_mistake_is_named_with_its_fix(read: Loader, text: str, sentence: str, hint: str) -> None:
    """An unknown key, a wrong value and a missing one each say what to do."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert sentence in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_secret_in_a_file_is_not_repeated(read: Loader) -> None:
    """The error about a key that stands in the file does not print the key."""
    with pytest.raises(ConfigError) as caught:
        read("[backends.c]\nurl = 'http://x'\napi_key = 'sk-hush'\n[storage]\ndatabase_url = 'pg://u:hush@h'\n")
    assert "hush" not in str(caught.value.to_dict())


def test_a_misspelt_variable_is_told_its_right_spelling(read: Loader) -> None:
    """One underscore where two belong is a common slip."""
    with pytest.raises(ConfigError) as caught:
        read(environment={"ROUNDHOUSE_SERVER_PORT": "1"})
    assert "did you mean ROUNDHOUSE_SERVER__PORT?" == caught.value.hint


def test_all_mistakes_are_told_at_once(read: Loader) -> None:
    """Nobody likes to meet them one by one."""
    with pytest.raises(ConfigError) as caught:
        read("[server]\nport = -1\nhots = 'x'\n[log]\nlevel = 'loud'\n")
    assert 3 == len(caught.value.message.splitlines())


def test_a_wrong_flag_points_to_the_help(read: Loader) -> None:
    """A value from the command line is corrected there."""
    with pytest.raises(ConfigError) as caught:
        read(server__port=99_999)
    assert "see `--help`" == caught.value.hint


def test_a_key_in_the_place_of_its_variable_is_not_repeated(read: Loader) -> None:
    """People paste the key where the name of its variable belongs."""
    with pytest.raises(ConfigError) as caught:
        read("[backends.cloud]\nurl = 'http://h'\napi_key_env = 'sk-proj-verysecret'\n")
    assert ("the name of a variable" in caught.value.message, "verysecret" in str(caught.value.to_dict())) == (
        True,
        False,
    )


def test_the_embedded_runtimes_name_is_taken(read: Loader) -> None:
    """A backend of that name would silently switch the embedded runtime off."""
    with pytest.raises(ConfigError, match=r"backends\.local: the embedded llama\.cpp has that name"):
        read(f"[backends.{EMBEDDED}]\nurl = 'http://h'\n")


def test_a_home_that_may_not_be_entered_has_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever needs the home says so; reading the settings is not the place."""

    def refuse(_path: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "exists", refuse)
    assert load(home=tmp_path, environment={}).config_file is None


def test_further_keys_are_what_their_variables_hold(read: Loader) -> None:
    """One that is not set is left out."""
    text = '[backends.c]\nurl = "http://x.example"\napi_keys_env = ["A_KEY", "B_KEY"]\n'
    assert ["hush"] == [key.reveal() for key in read(text, {"B_KEY": "hush"}).backends["c"].further_keys]


def test_a_key_among_names_of_variables_is_refused_unrepeated(read: Loader) -> None:
    """Whoever writes the key where its variable belongs does not see it in the error."""
    with pytest.raises(ConfigError) as caught:
        read("[backends.c]\nurl = 'http://h'\napi_keys_env = ['sk-proj-verysecret']\n")
    assert "verysecret" not in f"{caught.value.message} {caught.value.hint}"


def test_a_section_that_switches_off_needs_nothing_else(tmp_path: Path) -> None:
    """It is how a runtime that was found is left out."""
    (tmp_path / "roundhouse.toml").write_text("[backends.ollama]\nenabled = false\n")
    assert not load(home=tmp_path, environment={}).backends["ollama"].enabled
