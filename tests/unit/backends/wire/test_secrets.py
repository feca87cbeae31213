"""Our own keys in what servers repeat of them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.kinds.gemini.failures import google_failure
from roundhouse.backends.wire.failures import Failure, failure
from roundhouse.backends.wire.secrets import hide
from roundhouse.core.errors import RoundhouseError

#: Of no form that anybody would know for a key.
KEY = "q7Zx/0pL+w9Rt2Vb8Nm4Kc6Jd1Hf3Gs5"
FILLS = st.integers(0, 1700).map(lambda length: ". " * length)


def told(error: RoundhouseError) -> str:
    """All that a client gets to see of it."""
    hide(error, [KEY, "another"])
    return json.dumps([error.message, str(error), error.details], ensure_ascii=False)


def leaked(text: str) -> int:
    """How many characters of the key are in it, from its beginning."""
    return max(length for length in range(len(KEY) + 1) if KEY[:length].lower() in text.lower())


@pytest.mark.parametrize("read_failure", [failure, google_failure])
@given(FILLS, st.sampled_from([400, 401, 429, 500]), st.sampled_from(["message", "type", "code", "status"]))
def test_no_key_is_told_wherever_it_stands(read_failure: Failure, fill: str, status: int, field: str) -> None:
    """Cut or whole, in the message or beside it."""
    error = {"message": "m", "type": "t", "code": "c", field: f"{fill}{KEY}{fill}"}
    assert leaked(told(read_failure(status, {}, json.dumps({"error": error}).encode()))) <= 4


@given(FILLS, st.sampled_from(["{}", "<p>{}</p>", '{{"unknown":"{}"}}']), st.booleans())
def test_no_key_is_told_of_what_is_no_error(fill: str, form: str, escaped: bool) -> None:  # noqa: FBT001
    """Such is quoted as it came, also with the slashes that some programs escape."""
    text = form.format(fill + KEY)
    assert leaked(told(failure(500, {}, (text.replace("/", "\\/") if escaped else text).encode()))) <= 4


def test_no_key_is_told_in_limits() -> None:
    """Headers are written by servers, too."""
    headers = {f"x-ratelimit-remaining-{KEY}": "0", "x-ratelimit-limit-requests": f"5;{KEY}"}
    assert leaked(told(failure(429, headers, b""))) <= 4


@pytest.mark.parametrize("field", ["type", "code"])
def test_what_is_beside_the_message_is_short(field: str) -> None:
    """A few words, or a number."""
    for long in ("x" * 60_000, 10**4000):
        assert len(told(failure(500, {}, json.dumps({"error": {"message": "m", field: long}}).encode()))) < 600


def test_names_of_limits_are_short() -> None:
    """Whole headers of a server's own making do not belong into an error."""
    assert "limits" not in failure(429, {f"x-ratelimit-{'x' * 5000}": "1"}, b"").details


def test_what_has_no_key_is_not_touched() -> None:
    """Nor the end of a text that only looks like one."""
    error = failure(500, {}, json.dumps({"error": {"message": "it is q7Z…", "type": "t"}}).encode())
    assert json.dumps(["it is q7Z…", "it is q7Z…", {"status": 500, "upstream_type": "t"}], ensure_ascii=False) == told(
        error
    )
