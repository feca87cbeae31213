import json

import pytest

from roundhouse.core import errors as tree
from roundhouse.core.errors import AuthError, BackendError, CapacityError, MethodError, RoundhouseError, SchemaError
from roundhouse.gateway.errors import envelope, headers

CLASSES = [value for value in vars(tree).values() if isinstance(value, type) and issubclass(value, RoundhouseError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_has_openai_fields(kind: type[RoundhouseError]) -> None:
    """The whole tree fits the envelope that OpenAI's clients know."""
    content = json.loads(envelope(kind(), "id"))["error"]
    assert {"message", "type", "param", "code", "hint", "source", "request_id"} <= content.keys()
    assert (content["type"], content["code"]) == (kind.kind, kind.code)


def test_param_is_openais_field() -> None:
    """Which field is wrong stands where OpenAI's clients look."""
    content = json.loads(envelope(SchemaError(details={"param": "model"}), "id"))["error"]
    assert content["param"] == "model"
    assert "details" not in content


def test_message_that_is_no_utf8() -> None:
    """A lone surrogate that somebody sent does not break the answer that quotes it."""
    assert json.loads(envelope(SchemaError("\ud800"), "id"))["error"]["message"] == "\ud800"


def test_details_of_any_type() -> None:
    """Details are told as text when JSON has no word for them."""
    assert json.loads(envelope(SchemaError(details={"at": {1}}), "id"))["error"]["details"] == {"at": "{1}"}


@pytest.mark.parametrize(("error", "source"), [(BackendError(), "upstream"), (SchemaError(), "roundhouse")])
def test_source_says_who_failed(error: RoundhouseError, source: str) -> None:
    """A client knows whether we or the upstream failed."""
    assert json.loads(envelope(error, "id"))["error"]["source"] == source


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BackendError(), [(b"x-should-retry", b"false")]),
        (CapacityError(retry_after_s=0.2), [(b"retry-after", b"1")]),
        (CapacityError(retry_after_s=-1), [(b"retry-after", b"0")]),
        (CapacityError(retry_after_s=float("inf")), [(b"x-should-retry", b"false")]),
        (CapacityError(retry_after_s=float("-inf")), [(b"x-should-retry", b"false")]),
        (CapacityError(retry_after_s=float("nan")), [(b"x-should-retry", b"false")]),
        (AuthError(), [(b"x-should-retry", b"false"), (b"www-authenticate", b"Bearer")]),
        (MethodError(details={"allow": "POST"}), [(b"x-should-retry", b"false"), (b"allow", b"POST")]),
    ],
)
def test_headers(error: RoundhouseError, expected: list[tuple[bytes, bytes]]) -> None:
    """What a client should do next, for those who do not read bodies."""
    assert headers(error) == expected
