"""Failures as envelopes."""

import json

import httpx2
import pytest

from roundhouse.api.errors import answer_of
from roundhouse.core.errors import CapacityError, NotFoundError


def test_an_error_says_everything_it_knows() -> None:
    """Code, sentence, hint, retryable, details and the request's id are all there."""
    error = NotFoundError("there is no model 'x'", hint="list them", details={"close": ["y"]})
    answer = answer_of(error, "r-1")
    assert answer.status_code == 404
    assert json.loads(bytes(answer.body)) == {
        "error": {
            "code": "E_NOTFOUND",
            "message": "there is no model 'x'",
            "hint": "list them",
            "retryable": False,
            "details": {"close": ["y"]},
            "request_id": "r-1",
        }
    }


def test_when_to_come_back_is_a_header() -> None:
    """A wait is rounded up to whole seconds, as Retry-After wants it."""
    assert answer_of(CapacityError(retry_after_s=1.2), "r-1").headers["retry-after"] == "2"


@pytest.mark.parametrize("wait_s", [float("inf"), float("nan")])
def test_a_wait_that_is_none_is_not_told(wait_s: float) -> None:
    """The answer goes out all the same."""
    assert "retry-after" not in answer_of(CapacityError(retry_after_s=wait_s), "r-1").headers


def test_a_lone_surrogate_can_be_told() -> None:
    """A message that quotes what UTF-8 cannot hold is still an answer."""
    answer = answer_of(NotFoundError("there is no \ud800"), "r-1")
    assert json.loads(bytes(answer.body))["error"]["message"] == "there is no \ud800"


async def test_input_that_does_not_fit_names_its_field_not_its_value(admin: httpx2.AsyncClient) -> None:
    """The answer says what is wrong where, and does not repeat what may be a secret."""
    answer = await admin.post("/transfers", json={"ref": 7, "token": "hf_secret"})
    assert answer.status_code == 422
    fields = {item["field"] for item in answer.json()["error"]["details"]["fields"]}
    assert fields == {"body.ref", "body.token"}
    assert "hf_secret" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"model": NaN}',
        b"[" * 10_000 + b"]" * 10_000,
        b'{"model": "a", "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"model": ' + b"9" * 5000 + b"}",
        b'{"model": "\\ud800"}',
        b'{"model": "a\\u0000b"}',
        b'{"model": ""}',
        b'{"model": "a", "operation": "sing"}',
    ],
)
async def test_a_body_that_cannot_be_used_is_e_schema(user: httpx2.AsyncClient, body: bytes) -> None:
    """Whatever is sent as a body, the answer is a documented error."""
    answer = await user.post("/route/explain", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "E_SCHEMA")


async def test_a_form_is_not_json(admin: httpx2.AsyncClient) -> None:
    """What a foreign page's form could send without asking first is refused."""
    answer = await admin.post("/transfers", content=b'{"ref": "hf:a/b"}', headers={"content-type": "text/plain"})
    assert answer.status_code == 422
