"""The first screen."""

from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.server.welcome import _backend, _others
from roundhouse.settings import load
from roundhouse.testing.management_service import a_backend


@pytest.mark.parametrize(
    ("host", "told"),
    [("127.0.0.1", False), ("localhost", False), ("::1", False), ("0.0.0.0", True), ("box.lan", True)],
)
def test_where_others_find_their_key(tmp_path: Path, host: str, told: bool) -> None:  # noqa: FBT001
    """Whoever opens the house to other machines is told what they need; nobody else is."""
    settings = load(home=tmp_path, environment={}, flags={"server.host": host})
    assert told == (str(tmp_path / "admin.key") in str(_others(settings)))


def test_a_backend_is_named_once() -> None:
    """Its failures begin with its name already."""
    status = replace(a_backend("cloud", ok=False), detail="cloud: it cannot be reached")
    assert "cloud at https://cloud.example.com/v1: it cannot be reached" == _backend(status)
