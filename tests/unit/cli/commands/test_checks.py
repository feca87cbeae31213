import socket
from pathlib import Path

import pytest

from roundhouse.backends.llamacpp.gpu import Card
from roundhouse.cli.commands import checks
from roundhouse.settings import load


def test_a_home_that_can_be_written_is_ok(tmp_path: Path) -> None:
    """It is tried, and nothing is left behind."""
    assert ("ok", []) == (checks.home(tmp_path).status, list(tmp_path.iterdir()))


def test_a_home_that_is_not_there_can_be_made(tmp_path: Path) -> None:
    """The nearest folder that exists is tried, and the home is not made."""
    assert "ok" == checks.home(tmp_path / "a" / "b").status
    assert not (tmp_path / "a").exists()


def test_a_home_that_cannot_be_written_fails() -> None:
    """The kernel's own folder takes no files, from nobody."""
    check = checks.home(Path("/proc"))
    assert ("fail", True) == (check.status, "--home" in (check.fix or ""))


def test_too_little_room_fails(tmp_path: Path) -> None:
    """Less than library.min_free is a failure."""
    assert ["ok", "fail"] == [checks.disk(tmp_path / "new", least).status for least in (0, 1 << 60)]


def test_a_taken_port_is_a_warning(tmp_path: Path) -> None:
    """Somebody else listens there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = load(home=tmp_path, environment={}, flags={"server.port": taken.getsockname()[1]})
        assert "warn" == checks.port(settings, None).status


def test_our_own_port_is_ok(tmp_path: Path) -> None:
    """The server of this home has it."""
    settings = load(home=tmp_path, environment={})
    assert "ok" == checks.port(settings, "http://127.0.0.1:8484").status


def test_a_free_port_is_ok(tmp_path: Path) -> None:
    """Any free port is found free."""
    assert "ok" == checks.port(load(home=tmp_path, environment={}, flags={"server.port": 0}), None).status


def test_keys_are_looked_for(tmp_path: Path) -> None:
    """Each backend that names a key is told whether there is one; the key is not shown."""
    (tmp_path / "roundhouse.toml").write_text(
        '[backends.a]\nurl = "http://x"\napi_key_env = "A"\n[backends.b]\nurl = "http://x"\napi_key_env = "B"\n'
        '[backends.c]\nurl = "http://x"\n',
        encoding="utf-8",
    )
    settings = load(home=tmp_path, environment={"A": "hush"})
    found = list(checks.keys(settings))
    assert [("key of a", "ok"), ("key of b", "warn")] == [(check.name, check.status) for check in found]
    assert "hush" not in str(found)


@pytest.mark.slow
def test_llamacpp_loads() -> None:
    """The wheel that came along works on this machine."""
    assert "ok" == checks.llamacpp().status


@pytest.mark.parametrize(
    ("usable", "seen", "expected"),
    [
        ("0", (), ("ok", "it loads")),
        ("1", (), ("ok", "it loads and uses 1 graphics card")),
        ("2", (Card("RTX", 1, 1),), ("ok", "it loads and uses 2 graphics cards")),
        ("0", (Card("RTX", 1, 1),), ("warn", "it loads, and cannot use the RTX of this machine")),
    ],
)
def test_a_card_that_is_of_no_use_is_named(usable: str, seen: tuple[Card, ...], expected: tuple[str, str]) -> None:
    """Somebody paid for it."""
    check = checks._cards("it loads", usable, seen)
    assert expected == (check.status, check.detail)


def test_a_hub_that_is_gone_is_a_warning(tmp_path: Path) -> None:
    """Nobody listens at the endpoint."""
    settings = load(home=tmp_path, environment={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert "warn" == checks.hub(settings).status


def test_offline_asks_no_hub(tmp_path: Path) -> None:
    """Offline means it."""
    settings = load(home=tmp_path, environment={"HF_ENDPOINT": "http://127.0.0.1:9"}, flags={"downloads.offline": True})
    assert "ok" == checks.hub(settings).status
