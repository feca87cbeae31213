import json
import tomllib
from pathlib import Path

import pytest

from roundhouse.settings import KEYS, Settings, load
from roundhouse.settings.render import dump, example, json_schema, markdown, public, value_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with one of everything."""
    file = tmp_path / "given.toml"
    file.write_text(
        '[backends.c]\nurl = "http://x.example"\nmodels = ["a\\"b"]\n[aliases]\n"gpt-4.1" = ["c/a", "b"]\n'
        '[storage]\ndatabase_url = "postgresql://me:hush@db/x"\n',
        encoding="utf-8",
    )
    return load(home=tmp_path, config=file, environment={})


def test_what_is_dumped_reads_back_equal(settings: Settings, tmp_path: Path) -> None:
    """A tree survives the way to a file and back."""
    (tmp_path / "dumped.toml").write_text(dump(settings), encoding="utf-8")
    assert settings == load(home=tmp_path, config=tmp_path / "dumped.toml", environment={})


def test_the_example_is_all_defaults(tmp_path: Path) -> None:
    """The example file changes nothing as it stands."""
    (tmp_path / "example.toml").write_text(example(), encoding="utf-8")
    written = load(home=tmp_path, config=tmp_path / "example.toml", environment={})
    assert load(home=tmp_path, environment={}) == written


def test_the_example_uncommented_is_right_toml() -> None:
    """Every commented line becomes a right one when its mark is taken away."""
    lines = [
        line.removeprefix("# ") for line in example().splitlines() if "=" in line or line.removeprefix("# ")[:1] == "["
    ]
    assert {"server", "backends", "aliases"} <= tomllib.loads("\n".join(lines)).keys()


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_on_the_page(key: str) -> None:
    """A setting that is not documented does not exist."""
    section, _, name = key.rpartition(".")
    assert f"`[{section}]`" in markdown()
    assert name == "NAME" or f"| `{name}` |" in markdown()


def test_the_schema_knows_every_key() -> None:
    """Editors complete what the table holds, and refuse the rest."""
    schema = json_schema()
    assert "drain_s" in json.dumps(schema)
    assert schema["additionalProperties"] is False


def test_a_password_is_not_shown(settings: Settings) -> None:
    """What people see of the database address has no password in it."""
    shown = public(KEYS["storage.database_url"], value_of(settings, "storage.database_url"))
    assert "postgresql://me:***@db/x" == shown
