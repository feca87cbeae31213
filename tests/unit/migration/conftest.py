"""A person with models in other programs, and a library to bring them into."""

from pathlib import Path

import pytest

from roundhouse.migration import Hall, Migrations
from roundhouse.testing.adoption import a_hall, migrations
from roundhouse.testing.stores import OllamaStore


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The person's home."""
    return tmp_path / "person"


@pytest.fixture
def store(home: Path) -> OllamaStore:
    """Their Ollama, empty."""
    return OllamaStore(home / ".ollama")


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    """An empty library."""
    return a_hall(tmp_path / "library")


@pytest.fixture
def moving(hall: Hall, home: Path) -> Migrations:
    """What is under test."""
    return migrations(hall, home)
