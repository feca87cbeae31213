from pathlib import Path

import pytest

from roundhouse.app.building.serving import pace_of
from roundhouse.app.neighbours import Origin
from roundhouse.settings import load

HERE, AWAY = "http://127.0.0.1:11434", "https://api.example.com"


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("local", 15.0), ("found", 15.0), ("here", 15.0), ("cloud", 60.0), ("wished", 300.0), ("never", 0.0)],
)
def test_each_backend_is_asked_at_its_own_pace(name: str, seconds: float, tmp_path: Path) -> None:
    """As somebody wishes, else by whether asking leaves this machine."""
    flags = {
        "backends.here.url": HERE,
        "backends.cloud.url": AWAY,
        "backends.wished.url": HERE,
        "backends.wished.health_s": 300.0,
        "backends.never.url": AWAY,
        "backends.never.health_s": 0.0,
    }
    origins = {
        name: Origin("openai-compatible", url, configured=True)
        for name, url in (("here", HERE), ("cloud", AWAY), ("wished", HERE), ("never", AWAY))
    }
    origins |= {"local": Origin("llamacpp", None, configured=False), "found": Origin("ollama", HERE, configured=False)}
    assert seconds == pace_of(load(home=tmp_path, flags=flags).backends, origins)(name)
