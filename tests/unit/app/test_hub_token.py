import sys
from pathlib import Path
from types import ModuleType

import pytest

from roundhouse.app.hub_token import hub_token, token_place
from roundhouse.core.errors import ConfigError
from roundhouse.settings import DownloadSettings, load


def settings(home: Path, token_from: str, **environment: str) -> DownloadSettings:
    """Read the settings in an environment whose huggingface_hub keeps its things in *home*."""
    env = {"HF_HOME": str(home / "hf"), **environment}
    return load(home=home, flags={"downloads.token_from": token_from}, environment=env).downloads


@pytest.fixture
def logged_in(home: Path) -> Path:
    """A home beside which somebody has logged in with huggingface_hub."""
    (home / "hf").mkdir()
    (home / "hf" / "token").write_text("hf_file\n")
    return home


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A keyring that knows one token."""
    ring, errors = ModuleType("keyring"), ModuleType("keyring.errors")
    ring.__spec__ = __spec__
    errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]
    ring.errors = errors  # type: ignore[attr-defined]
    known = {("roundhouse", "huggingface"): "hf_ring"}
    ring.get_password = lambda service, account: known.get((service, account))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", ring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return ring


@pytest.mark.parametrize(
    ("token_from", "found"), [("auto", "hf_env"), ("env", "hf_env"), ("file", "hf_file"), ("none", None)]
)
def test_a_token_comes_from_where_the_settings_say(logged_in: Path, token_from: str, found: str | None) -> None:
    """By itself from the variable before the file."""
    assert found == hub_token(settings(logged_in, token_from, HF_TOKEN="hf_env"))


def test_without_a_variable_the_file_is_read(logged_in: Path) -> None:
    """Where huggingface_hub would look for it."""
    assert "hf_file" == hub_token(settings(logged_in, "auto"))
    (logged_in / "mine").write_text("hf_mine")
    assert "hf_mine" == hub_token(settings(logged_in, "auto", HF_TOKEN_PATH=str(logged_in / "mine")))


def test_the_file_is_where_huggingface_hub_keeps_it(home: Path) -> None:
    """By its own variables, the nearest first."""
    files = [
        load(home=home, environment=env).downloads.token_file
        for env in ({"HOME": "/u"}, {"HOME": "/u", "XDG_CACHE_HOME": "/c"}, {"HOME": "/u", "HF_HOME": "/h"})
    ]
    assert [Path("/u/.cache/huggingface/token"), Path("/c/huggingface/token"), Path("/h/token")] == files


def test_nothing_anywhere_is_no_token(home: Path) -> None:
    """Most models need none."""
    assert [None, None, None] == [hub_token(settings(home, each)) for each in ("auto", "env", "file")]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"two words", b"hf\x00x"])
def test_a_file_that_holds_no_token_is_none(home: Path, content: bytes) -> None:
    """Whatever it is, it is not sent to anybody."""
    (home / "hf").mkdir()
    (home / "hf" / "token").write_bytes(content)
    assert hub_token(settings(home, "file")) is None


@pytest.mark.usefixtures("keyring")
def test_the_keyring_comes_last(home: Path) -> None:
    """Or first, if the settings say so."""
    tokens = [hub_token(settings(home, *each)) for each in (("auto",), ("keyring",))]
    assert ["hf_ring", "hf_ring", "hf_env"] == [*tokens, hub_token(settings(home, "auto", HF_TOKEN="hf_env"))]


def test_a_keyring_that_does_not_open(home: Path, keyring: ModuleType) -> None:
    """Is an error only where it was asked for by name."""

    def locked(service: str, account: str) -> str:
        raise keyring.errors.KeyringError(service, account)

    keyring.get_password = locked  # type: ignore[attr-defined]
    assert hub_token(settings(home, "auto")) is None
    with pytest.raises(ConfigError, match="does not open"):
        hub_token(settings(home, "keyring"))


def test_a_keyring_that_is_not_installed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Says so, with another way."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert hub_token(settings(home, "auto")) is None
    with pytest.raises(ConfigError, match="no keyring here"):
        hub_token(settings(home, "keyring"))


@pytest.mark.parametrize(
    ("token_from", "environment", "expected"),
    [
        ("auto", {"HF_TOKEN": "hf_variable"}, "the environment"),
        ("auto", {}, "token"),
        ("env", {}, None),
        ("none", {"HF_TOKEN": "hf_variable"}, None),
        ("keyring", {}, "the keyring"),
    ],
)
@pytest.mark.usefixtures("keyring")
def test_people_are_told_where_the_token_is(
    logged_in: Path, token_from: str, environment: dict[str, str], expected: str | None
) -> None:
    """And never what it is."""
    place = token_place(settings(logged_in, token_from, **environment))
    assert expected == (None if place is None else Path(place).name)
