"""``/status`` and ``/doctor``."""

import httpx2

from roundhouse.core.views import Found
from roundhouse.testing.management_service import InMemoryManagement


async def test_status(user: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """The state holds what was found and what to do next."""
    management.discovered.append(Found("ollama", "ollama", "http://127.0.0.1:11434", "Ollama 0.14", ("llama3.2:3b",)))
    status = (await user.get("/status")).json()
    assert set(status) == {
        "version", "url", "home", "started_at", "database", "backends", "found", "models", "next",
        "looks_around",
    }  # fmt: skip
    assert status["found"][0]["models"] == ["llama3.2:3b"]
    assert status["next"] == {"text": "Talk to it", "command": 'roundhouse chat acme/tiny:Q4_K_M "hello"'}


async def test_doctor(user: httpx2.AsyncClient) -> None:
    """Each check is ok, warn or fail, and one that is not ok says how to fix it."""
    checks = (await user.get("/doctor")).json()["checks"]
    assert [(check["status"], check["fix"] is not None) for check in checks] == [("ok", False), ("warn", True)]
