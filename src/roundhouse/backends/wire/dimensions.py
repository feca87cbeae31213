"""The length of embeddings that a client asks for, against what came. Knows nothing about sockets.

Only some models may be cut to fewer numbers; many servers ignore the wish, and a vector of another length does harm
where it is stored. So it is never cut here, and never passed on in silence.
"""

from __future__ import annotations

from base64 import b64decode

import msgspec

from roundhouse.backends.wire.fields import may_name
from roundhouse.core.errors import BackendError, SchemaError

_BYTES_PER_NUMBER = 4


class _Asked(msgspec.Struct):
    dimensions: int | None = None


class _Item(msgspec.Struct):
    embedding: str | list[float]


class _Given(msgspec.Struct):
    data: list[_Item]


def wanted(body: bytes) -> int | None:
    """How many numbers *body* asks for; ``None`` is whatever there is. Raises SchemaError."""
    if not may_name(body, b"dimensions"):
        return None
    try:
        return msgspec.json.decode(body, type=_Asked).dimensions
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"dimensions: {error}"
        raise SchemaError(message, details={"param": "dimensions"}) from error


def check(answer: bytes, dimensions: int) -> None:
    """Refuse an answer whose vectors are of another length. Raises SchemaError; BackendError when it has none."""
    try:
        items = msgspec.json.decode(answer, type=_Given).data
        lengths = {_length(item.embedding) for item in items}
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        message = f"the embeddings cannot be read: {error}"
        raise BackendError(message) from error
    for length in lengths - {dimensions}:
        message = f"dimensions: this model gives {length} numbers here, and not {dimensions}"
        raise SchemaError(message, hint="leave `dimensions` out", details={"param": "dimensions"})


def _length(embedding: str | list[float]) -> int:
    """Numbers in it; text is base64 of float32."""
    return len(embedding) if isinstance(embedding, list) else len(b64decode(embedding)) // _BYTES_PER_NUMBER
