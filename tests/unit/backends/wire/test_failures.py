import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.kinds.anthropic.failures import read_failure as anthropic_failure
from roundhouse.backends.kinds.gemini.failures import google_failure
from roundhouse.backends.wire.failures import Failure, KeyRefusedError, error_in_stream, excerpt, failure, retry_after
from roundhouse.core.errors import (
    BackendError,
    LimitError,
    NotFoundError,
    RoundhouseError,
    SchemaError,
    TooLargeError,
)


def body(message: str, **fields: object) -> bytes:
    """An error as OpenAI writes it."""
    return json.dumps({"error": {"message": message, "type": "some_error", **fields}}).encode()


def google(message: str, *details: dict[str, str]) -> bytes:
    """An error as Google's endpoint for OpenAI's clients writes it: in a list."""
    error = {"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": details}
    return json.dumps([{"error": error}]).encode()


LITELLM = "/chat/completions: Invalid model name passed in model=x. Call `/v1/models` to view available models."


@pytest.mark.parametrize(
    ("status", "data", "kind", "retryable"),
    [
        (400, body("bad"), SchemaError, False),
        (400, body("Invalid model name passed in model=x"), BackendError, True),
        (400, body("No connected db.", type="no_db_connection"), KeyRefusedError, True),
        (400, google("API key not valid.", {"reason": "API_KEY_INVALID"}), KeyRefusedError, True),
        (400, body("no", code="invalid_api_key"), KeyRefusedError, True),
        (400, body(f"400: {{'error': '{LITELLM}'}}"), BackendError, True),
        (400, body(f"{{'error': '{LITELLM}'}}"), BackendError, True),
        (400, body(LITELLM), BackendError, True),
        (400, body("no", code="model_not_found"), BackendError, True),
        (422, body("no", type="invalid_model"), BackendError, True),
        (400, body("The model `a b` does not exist."), BackendError, True),
        (400, body("model is not found"), BackendError, True),
        (400, body("Model google/x-1:2 not found"), BackendError, True),
        (401, body("bad key"), KeyRefusedError, True),
        (402, body("no credit"), KeyRefusedError, True),
        (403, body("not yours"), KeyRefusedError, True),
        (403, body("flagged", metadata={"reasons": ["x"], "flagged_input": "y"}), SchemaError, False),
        (403, body("not yours", metadata={}), KeyRefusedError, True),
        (404, body("The model `x` does not exist", code="model_not_found"), BackendError, True),
        (404, body("File abc was not there"), NotFoundError, False),
        (404, b"Not Found", BackendError, True),
        (404, b'{"error":"model \\"x\\" not found, try pulling it first"}', BackendError, True),
        (408, body("slow"), BackendError, True),
        (409, body("busy"), BackendError, True),
        (413, b"<html>too large</html>", TooLargeError, False),
        (422, b'{"detail":[{"msg":"field required"}]}', SchemaError, False),
        (425, b"", BackendError, True),
        (429, body("slow down"), LimitError, True),
        (500, body("oops"), BackendError, True),
        (503, body("Loading model", code=503), BackendError, True),
        (529, body("overloaded"), BackendError, True),
        (307, b"", BackendError, True),
    ],
)
def test_the_status_says_who_is_to_blame(
    status: int, data: bytes, kind: type[RoundhouseError], *, retryable: bool
) -> None:
    """A wrong request is wrong everywhere; anything else may work elsewhere."""
    error = failure(status, {}, data)
    assert (kind, retryable) == (type(error), error.retryable)


#: What a client may write, wherever a server quotes it.
CLAIMS = (
    *("invalid api key", "invalid_api_key", "API key not valid. Please pass a valid API key.", "no_db_connection"),
    *("API_KEY_INVALID", "model_not_found", "the model x does not exist", "Invalid model name passed in model=x"),
    *("credit balance is too low", "Your credit balance is too low to access the Anthropic API.", "spend limit"),
    *("You have reached your specified API usage limits.", "API key expired. Please renew the API key.", "not found"),
)


@pytest.mark.parametrize("read_failure", [failure, anthropic_failure, google_failure])
@given(
    st.sampled_from(CLAIMS),
    st.sampled_from(["Invalid value: '", "tools.0.name: ", '"', "input should be one of 'a', not "]),
    st.text(max_size=20),
)
def test_what_a_server_quotes_says_nothing_of_keys_and_models(
    read_failure: Failure, claim: str, before: str, after: str
) -> None:
    """It is the client's own word: with it anybody could have all keys refused, and the request tried everywhere."""
    error = read_failure(400, {}, body(before + claim + after, type="invalid_request_error", code="invalid_value"))
    assert (SchemaError, False) == (type(error), error.retryable)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (body("in the object"), "in the object"),
        (b'{"error":"as text"}', "as text"),
        (b'{"object":"error","message":"at the top"}', "at the top"),
        (b'{"detail":"as detail"}', "as detail"),
        (b"plain words", "plain words"),
        (b"", "HTTP 500"),
        (b'{"unknown":1}', '{"unknown":1}'),
        (b"\xff", "\ufffd"),
    ],
)
def test_the_message_is_found_wherever_it_is(data: bytes, message: str) -> None:
    """Every server has its own shape of error."""
    assert message == failure(500, {}, data).message


def test_the_upstream_facts_ride_along() -> None:
    """Status, type and code are there for whoever wants to know."""
    expected = {"status": 500, "upstream_type": "some_error", "upstream_code": "x1"}
    assert expected == failure(500, {}, body("no", code="x1")).details


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "Retry-After": "9"}, 0.25),
        ({"Retry-After": "Sat, 21 Nov 2026 10:00:30 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"Retry-After": "Sat, 21 Nov 2026 09:00:00 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"Retry-After": "Sat, 21 Nov 2026 10:00:30 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({"retry-after-ms": "soon"}, None),
        ({"retry-after-ms": "inf"}, None),
        ({"retry-after-ms": "-inf"}, None),
        ({"retry-after-ms": "nan"}, None),
        ({"retry-after-ms": "-1"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({"Retry-After": "86400"}, 86400.0),
        ({"Retry-After": "86401"}, None),
        ({"Retry-After": "Sat, 21 Nov 2027 10:00:30 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}, None),
        ({"Retry-After": "Mon, 01 Jan 0001 00:00:00 +2300", "Date": "Mon, 01 Jan 9999 00:00:00 -2300"}, 0.0),
        ({"Retry-After": "Mon, 01 Jan 2024 00:00:00 +99999999999", "Date": "Mon, 01 Jan 2024 00:00:00 GMT"}, None),
        ({}, None),
    ],
)
def test_the_wait_is_read_in_every_form(headers: dict[str, str], expected: float | None) -> None:
    """Seconds, milliseconds, or a date against the server's own clock."""
    assert expected == retry_after(headers)


@pytest.mark.parametrize(
    "code", ["\N{SUPERSCRIPT TWO}", "9" * 5000, "\N{ARABIC-INDIC DIGIT FOUR}" * 3, 10**400, "-429"]
)
def test_a_code_that_is_no_status_tells_nothing(code: object) -> None:
    """Whatever Python takes for a digit."""
    error = error_in_stream(json.dumps({"error": {"message": "x", "code": code}}).encode())
    assert (BackendError, "x") == (type(error), error.message)


@pytest.mark.parametrize("code", [429, "429"])
def test_a_code_that_is_a_status_is_one(code: object) -> None:
    """After 200 there is no other."""
    assert isinstance(error_in_stream(json.dumps({"error": {"message": "x", "code": code}}).encode()), LimitError)


def test_a_message_carries_no_key() -> None:
    """Servers like to repeat the key that they refuse."""
    assert "sk-abcdef123456" not in failure(401, {}, body("Incorrect key: sk-abcdef123456789")).message


def test_a_key_in_an_address_is_hidden() -> None:
    """Google's programs put theirs there."""
    told = failure(500, {}, body("GET https://h/v1beta/models?alt=sse&key=AQ.abc-1 failed")).message
    assert "GET https://h/v1beta/models?alt=sse&key=… failed" == told


def test_an_excerpt_is_short_and_of_one_line() -> None:
    """Whole pages of HTML do not belong into a message."""
    text = excerpt(b"<html>\n\n" + b"x" * 10_000 + b"\x07")
    assert len(text) < 500
    assert "\n" not in text


@pytest.mark.parametrize(
    "error",
    [
        {"type": "exceed_context_size_error", "message": "request (9 tokens) exceeds the available context size"},
        {"code": "context_length_exceeded", "message": "too much"},
        {"message": "This model's maximum context length is 2048 tokens."},
        {"message": "Prompt is too long"},
    ],
)
def test_a_prompt_that_does_not_fit_is_told_with_advice(error: dict[str, str]) -> None:
    """Whatever words the backend has for it."""
    found = failure(400, {}, json.dumps({"error": error}).encode())
    assert isinstance(found, SchemaError)
    assert "ask for less, or choose a model with a larger context" == found.hint
