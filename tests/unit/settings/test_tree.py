import dataclasses
from pathlib import Path

import pytest

from roundhouse.settings import KEYS, Secret, Settings, StorageSettings, load
from roundhouse.settings.tree import SECTIONS


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """All defaults."""
    return load(home=tmp_path, environment={})


def test_a_secret_does_not_show_itself() -> None:
    """Neither repr nor str of a secret tells it; only asking for it does."""
    secret = Secret("hush")
    assert ("hush" not in f"{secret!r} {secret}", secret.reveal()) == (True, "hush")


def test_equal_secrets_are_equal() -> None:
    """Secrets compare by value, so that settings do."""
    assert (Secret("a"), hash(Secret("a"))) == (Secret("a"), hash(Secret("a")))
    assert Secret("a") != Secret("b")


def test_a_database_password_is_not_in_the_repr() -> None:
    """Settings may be logged."""
    assert "pw" not in repr(StorageSettings("postgresql://me:pw@db/x", "redis://:pw@cache/0"))


def test_every_field_has_a_row_in_the_table() -> None:
    """A field without default, unit and help cannot be configured, so there is none (secrets are derived)."""
    derived = {"token", "token_file", "api_key", "further_keys", "weights", "licenses"}
    fields = {
        f"{section}.{field.name}"
        for section, owner in SECTIONS.items()
        for field in dataclasses.fields(owner)
        if field.name not in derived
    }
    assert fields == KEYS.keys() - {"aliases.NAME"}


def test_every_row_says_what_it_is() -> None:
    """Help is one line that starts with a capital and ends without a full stop."""
    wrong = [key for key, row in KEYS.items() if not row.help or row.help.endswith(".") or "\n" in row.help]
    assert [] == wrong


def test_settings_are_frozen(settings: Settings) -> None:
    """Nobody changes a setting at run time."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.server.port = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.aliases["a"] = ()  # type: ignore[index]
