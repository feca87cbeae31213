"""An answer as the bytes that a cache keeps. Knows nothing about which cache, nor under which key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from roundhouse.core.inference import Answer, Chunk, Operation, TokenUsage
from roundhouse.serving.caching.shapes import in_one, in_pieces, is_complete


@dataclass(frozen=True, slots=True)
class _Piece:
    data: bytes
    visible: bool
    final: bool
    usage: TokenUsage | None
    usage_only: bool


@dataclass(frozen=True, slots=True)
class _Kept:
    """As it came: whole or in pieces. The other form is made when somebody asks for it."""

    #: The key again: what was kept under another one, whoever mixed them up, is not given.
    key: str
    whole: bytes | None = None
    usage: TokenUsage | None = None
    pieces: tuple[_Piece, ...] = ()


_encode = msgspec.msgpack.encode
_decoder = msgspec.msgpack.Decoder(_Kept)


def keep(key: str, answer: Answer | Sequence[Chunk], operation: Operation) -> bytes | None:
    """The bytes to keep; ``None`` when the answer did not come to its own end."""
    if isinstance(answer, Answer):
        return _encode(_Kept(key, answer.data, answer.usage)) if is_complete(answer, operation) else None
    if in_one(answer, operation) is None:
        return None
    came = tuple(_Piece(each.data, each.visible, each.final, each.usage, each.usage_only) for each in answer)
    return _encode(_Kept(key, pieces=came))


def whole(key: str, kept: bytes, operation: Operation) -> Answer | None:
    """The whole answer that was kept; ``None`` when the bytes are none of ours."""
    known = _read(key, kept)
    if known is None:
        return None
    if known.whole is not None:
        return Answer(known.whole, known.usage)
    return in_one(_chunks(known), operation)


def pieces(key: str, kept: bytes, operation: Operation) -> list[Chunk] | None:
    """The answer that was kept as a stream; ``None`` when the bytes are none of ours."""
    known = _read(key, kept)
    if known is None:
        return None
    if known.whole is not None:
        return in_pieces(Answer(known.whole, known.usage), operation)
    return _chunks(known)


def _read(key: str, kept: bytes) -> _Kept | None:
    try:
        known = _decoder.decode(kept)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return known if known.key == key else None


def _chunks(known: _Kept) -> list[Chunk]:
    return [Chunk(each.data, each.visible, each.final, each.usage, each.usage_only) for each in known.pieces]
