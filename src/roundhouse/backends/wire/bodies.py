"""The client's JSON body as a backend must get it, and embeddings as the client must. Knows nothing about sockets.

Bodies are taken apart one level deep: what is not ours to change goes through byte by byte.
"""

from __future__ import annotations

import sys
from array import array
from base64 import b64encode
from collections.abc import Callable

import msgspec

from roundhouse.backends.wire.quirks import PLAIN, Quirks
from roundhouse.core.errors import BackendError, SchemaError

Fields = dict[str, msgspec.Raw]

_fields: Callable[[bytes | msgspec.Raw], Fields] = msgspec.json.Decoder(Fields).decode
_items = msgspec.json.Decoder(list[Fields]).decode
_floats = msgspec.json.Decoder(list[float]).decode
_encode = msgspec.json.Encoder().encode

_WITH_USAGE = msgspec.Raw(b'{"include_usage":true}')
_TRUE, _FLOAT, _BASE64 = msgspec.Raw(b"true"), msgspec.Raw(b'"float"'), b'"base64"'


def rewrite(body: bytes, model: bytes, *, with_usage: bool = False, quirks: Quirks = PLAIN) -> bytes:
    """*body* with another model (a JSON string), for streams with the wish to be told the usage, and as *quirks* say.

    Raises:
        SchemaError: it is not a JSON object.

    """
    fields = _parse(body)
    fields["model"] = msgspec.Raw(model)
    if with_usage:
        fields["stream_options"] = _asking_for_usage(fields.get("stream_options"))
    if quirks is not PLAIN:
        quirks.suit(fields, model)
    return _encode(fields)


def _asking_for_usage(options: msgspec.Raw | None) -> msgspec.Raw:
    """Stream options with ``include_usage``: we meter, whether the client wants to see it or not."""
    if options is None or not bytes(options).startswith(b"{"):
        return _WITH_USAGE
    fields = _fields(options)
    fields["include_usage"] = _TRUE
    return msgspec.Raw(_encode(fields))


def asks_for_base64(body: bytes) -> bool:
    """Whether an embedding request wants base64, as the OpenAI SDK does unless told otherwise."""
    wanted = _parse(body).get("encoding_format")
    return wanted is not None and bytes(wanted) == _BASE64


def is_about_base64(message: str) -> bool:
    """Whether a backend that refused an embedding request refused its encoding."""
    return "encoding_format" in message or "base64" in message


def asking_for_floats(body: bytes) -> bytes:
    """The same embedding request for a backend that only knows floats."""
    fields = _parse(body)
    fields["encoding_format"] = _FLOAT
    return _encode(fields)


def in_base64(answer: bytes) -> bytes:
    """An answer with embeddings, every list of floats in it as base64 of little-endian float32.

    Raises:
        BackendError: its embeddings are neither floats nor text.

    """
    try:
        fields = _fields(answer)
        items = _items(fields["data"])
        if all(bytes(item["embedding"]).startswith(b'"') for item in items):
            return answer
        for item in items:
            item["embedding"] = _vector(item["embedding"])
    except (msgspec.DecodeError, KeyError, RecursionError, UnicodeDecodeError) as error:
        message = f"the embeddings cannot be read: {error}"
        raise BackendError(message) from error
    fields["data"] = msgspec.Raw(_encode(items))
    return _encode(fields)


def _vector(embedding: msgspec.Raw) -> msgspec.Raw:
    if bytes(embedding).startswith(b'"'):
        return embedding
    numbers = array("f", _floats(embedding))
    if sys.byteorder == "big":
        numbers.byteswap()
    return msgspec.Raw(b'"%b"' % b64encode(numbers.tobytes()))


def _parse(body: bytes) -> Fields:
    try:
        return _fields(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"the body is not a JSON object: {error}"
        raise SchemaError(message) from error
