"""The server's part of `doctor`."""

from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.app.desks.status import _backend, _database, _space
from roundhouse.core.errors import NetworkError
from roundhouse.storage.database import Database
from roundhouse.testing.management_service import a_backend


async def test_a_database_that_answers_is_ok(tmp_path: Path) -> None:
    """It was asked, not only looked up in the settings."""
    database = Database.open(f"sqlite:///{tmp_path / 'db.sqlite'}")
    check = await _database(database)
    await database.close()
    assert ("ok", True) == (check.status, "SQLite" in check.detail)


async def test_a_database_that_went_away_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`doctor` must not call that well."""

    async def refuse(_question: object) -> None:
        message = "the database cannot be reached"
        raise NetworkError(message)

    database = Database.open(f"sqlite:///{tmp_path / 'db.sqlite'}")
    monkeypatch.setattr(database, "read", refuse)
    check = await _database(database)
    await database.close()
    assert ("fail", "the database cannot be reached", True) == (check.status, check.detail, bool(check.fix))


def test_a_library_that_is_away_is_a_failure(tmp_path: Path) -> None:
    """A disk that was pulled out."""
    assert "fail" == _space(tmp_path / "gone", 0).status


def test_a_backend_that_became_slow_is_a_warning() -> None:
    """It answers, so nothing fails; and one that is away is away."""
    slow, away = a_backend(), a_backend(ok=False)
    assert "ok" == _backend(slow).status
    check = _backend(replace(slow, degraded=("x/y",)))
    assert ("warn", True) == (check.status, "x/y" in check.detail)
    assert away.detail == _backend(replace(away, degraded=("x/y",))).detail


def test_a_refused_key_is_a_warning() -> None:
    """Though another one answers."""
    check = _backend(replace(a_backend("cloud"), warning="1 of 3 keys is refused"))
    assert ("warn", "1 of 3 keys is refused", True) == (check.status, check.detail, "cloud" in (check.fix or ""))
