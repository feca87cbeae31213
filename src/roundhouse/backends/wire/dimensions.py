"""How many embeddings a client asks for, and of which length, against what came. Knows nothing about sockets.

Only some models may be cut to fewer numbers; many servers ignore the wish, and a vector of another length does harm
where it is stored. So it is never cut here, and never passed on in silence.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable

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


class _Inputs(msgspec.Struct):
    input: str | list[msgspec.Raw] | None = None


class _Outputs(msgspec.Struct):
    data: list[msgspec.Raw]


_inputs, _outputs = msgspec.json.Decoder(_Inputs).decode, msgspec.json.Decoder(_Outputs).decode


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
    refuse_other(lengths, dimensions)


def refuse_other(lengths: Iterable[int], dimensions: int) -> None:
    """Raise SchemaError when any of *lengths* is not what was asked for."""
    for length in lengths:
        if length != dimensions:
            message = f"dimensions: this model gives {length} numbers here, and not {dimensions}"
            raise SchemaError(message, hint="leave `dimensions` out", details={"param": "dimensions"})


def check_count(body: bytes, answer: bytes) -> None:
    """Refuse an *answer* that has not one vector for each input of *body*. Raises BackendError."""
    try:
        given = _inputs(body).input
        found = len(_outputs(answer).data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return  # inputs of a shape of its own are between the client and the server
    # Tokens of one text are numbers.
    is_one = not isinstance(given, list) or all(bytes(each)[:1].isdigit() for each in given[:1])
    wanted = 1 if is_one else len(given or ())
    if found != wanted:
        message = f"{wanted} inputs were to be embedded, and {found} were"
        raise BackendError(message)


def _length(embedding: str | list[float]) -> int:
    """Numbers in it; text is base64 of float32."""
    return len(embedding) if isinstance(embedding, list) else len(b64decode(embedding)) // _BYTES_PER_NUMBER
