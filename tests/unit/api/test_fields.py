"""What clients may send."""

from datetime import UTC, datetime

import httpx2
import pytest
from pydantic import TypeAdapter, ValidationError

from roundhouse.api.fields import PullRequest, When


@pytest.mark.parametrize("extra", ["state", "id", "bytes_done", "permission", "__class__"])
def test_unknown_keys_are_refused(extra: str) -> None:
    """Nobody sets what is not theirs to set."""
    with pytest.raises(ValidationError, match="Extra inputs"):
        PullRequest.model_validate({"ref": "hf:a/b", extra: 1})


@pytest.mark.parametrize("value", ["yes", 1, "true", None])
def test_nothing_is_guessed(value: object) -> None:
    """A switch is true or false; a string that looks like one is a mistake."""
    with pytest.raises(ValidationError):
        PullRequest.model_validate({"ref": "hf:a/b", "dry_run": value})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-04T12:00:00Z", datetime(2026, 5, 4, 12, tzinfo=UTC)),
        ("2026-05-04T14:00:00+02:00", datetime(2026, 5, 4, 12, tzinfo=UTC)),
        ("2026-05-04T12:00:00", datetime(2026, 5, 4, 12, tzinfo=UTC)),
        ("2026-05-04", datetime(2026, 5, 4, tzinfo=UTC)),
    ],
)
def test_times_are_utc(text: str, expected: datetime) -> None:
    """A time with a zone is converted; one without is taken as UTC."""
    assert TypeAdapter(When).validate_python(text) == expected


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00", "yesterday", "", "1e999"])
async def test_times_outside_the_calendar(user: httpx2.AsyncClient, text: str) -> None:
    """A time that cannot be is refused, also when only its zone makes it so."""
    assert (await user.get("/usage", params={"since": text})).status_code == 422


@pytest.mark.parametrize("name", ["%00", "a%00b", "%0a", "x" * 513, "%e2%80%ae"])
@pytest.mark.parametrize("path", ["/models/{}", "/transfers/{}"])
async def test_names_that_nobody_could_have(user: httpx2.AsyncClient, path: str, name: str) -> None:
    """Control characters and novels are refused before any database sees them."""
    assert (await user.get(path.format(name))).status_code == 422
