import json
import struct
from base64 import b64decode

import pytest

from roundhouse.backends.wire.bodies import asking_for_floats, asks_for_base64, in_base64, is_about_base64, rewrite
from roundhouse.core.errors import BackendError, SchemaError


def test_only_the_model_changes() -> None:
    """All other values keep their bytes: numbers, spaces and escapes."""
    body = b'{"model":"auto","temperature":1.0e-1,"messages":[ {"content":"\\u00e9"} ],"x":12345678901234567890}'
    assert body.replace(b'"auto"', b'"real"') == rewrite(body, b'"real"')


def test_a_missing_model_is_added() -> None:
    """The backend always gets its own name for it."""
    assert {"model": "real"} == json.loads(rewrite(b"{}", b'"real"'))


def test_a_doubled_key_is_one_afterwards() -> None:
    """Two readers of one body must not see two different models."""
    assert b'{"model":"real"}' == rewrite(b'{"model":"a","model":"b"}', b'"real"')


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, {"include_usage": True}),
        ({"include_usage": False, "include_obfuscation": True}, {"include_usage": True, "include_obfuscation": True}),
        ("odd", {"include_usage": True}),
    ],
)
def test_a_stream_is_asked_for_its_usage(options: object, expected: dict[str, bool]) -> None:
    """We meter, whatever the client asked for; its other options stay."""
    body = json.dumps({"stream": True, "stream_options": options}).encode()
    assert expected == json.loads(rewrite(body, b'"m"', with_usage=True))["stream_options"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a":}', b"null", b"\xff"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    """It cannot be rewritten, and no backend could serve it."""
    with pytest.raises(SchemaError):
        rewrite(body, b'"m"')


def test_the_encoding_is_noticed_and_changed() -> None:
    """A request for base64 can be made one for floats."""
    body = b'{"input":["a"],"encoding_format":"base64"}'
    assert [True, False] == [asks_for_base64(each) for each in (body, asking_for_floats(body))]


def test_floats_become_base64() -> None:
    """Little-endian float32, everything around it as it was."""
    answer = b'{"object":"list","data":[{"index":0,"embedding":[0.5,-1,2]}],"usage":{"prompt_tokens":1}}'
    changed = json.loads(in_base64(answer))
    packed = changed["data"][0].pop("embedding")
    assert (0.5, -1.0, 2.0) == struct.unpack("<3f", b64decode(packed))
    assert {"object": "list", "data": [{"index": 0}], "usage": {"prompt_tokens": 1}} == changed


def test_base64_stays_as_it_is() -> None:
    """A backend that did what it was asked is not touched."""
    answer = b'{"data": [ {"embedding": "AAAA"} ] }'
    assert answer == in_base64(answer)


@pytest.mark.parametrize(
    "answer",
    [
        b'{"data":[{}]}',
        b'{"data":[{"embedding":{}}]}',
        b'{"data":3}',
        b"{}",
        b'{"\xff":1,"data":[{"embedding":[0.5]}]}',
        b'{"data":[{"\xff":1,"embedding":[0.5]}]}',
        b'{"data":[{"embedding":[0.5],"more":%b}]}' % (b"[" * 5000),
    ],
)
def test_unreadable_embeddings_are_a_backend_error(answer: bytes) -> None:
    """The backend's failure, not the client's."""
    with pytest.raises(BackendError):
        in_base64(answer)


def test_a_refusal_of_base64_is_recognised() -> None:
    """Only then is the request worth repeating with floats."""
    assert [True, False] == [is_about_base64(text) for text in ("encoding_format: unsupported", "input is empty")]
