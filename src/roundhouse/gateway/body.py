"""Receiving a body: how much, how slowly, and how deeply nested. Knows nothing about what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

from roundhouse.core.errors import DeadlineError, SchemaError, SlowRequestError, TooLargeError
from roundhouse.gateway.asgi import ClientGoneError, Receive
from roundhouse.serving.deadline import Deadline

_B = TypeVar("_B", bytes, bytearray)

#: Arrays and objects inside each other. Real requests stay under 20; some parsers behind us recurse.
MAX_DEPTH = 200
_BRACKETS = b'"[]{}'
_NOT_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))
_STEP = {0x5B: 1, 0x7B: 1, 0x5D: -1, 0x7D: -1}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may send."""

    body: int = 32 * 1024 * 1024
    receive_s: float = 30.0
    #: Bytes and seconds of a refused body that are read and thrown away, so that the client gets to read why.
    discard: int = 64 * 1024 * 1024
    discard_s: float = 5.0


async def read(receive: Receive, headers: Iterable[tuple[bytes, bytes]], limits: Limits) -> bytes:
    """The whole body.

    Raises:
        TooLargeError: larger than allowed; most of it has not been read.
        SlowRequestError: it did not arrive in time.
        ClientGoneError: it will never arrive.

    """
    for name, value in headers:
        if name == b"content-length" and int(value) > limits.body:
            raise _too_large(limits)
    # Cheaper than asyncio.timeout, and this is paid by every request.
    deadline = Deadline(limits.receive_s)
    try:
        with deadline:
            return await _collect(receive, limits)
    except DeadlineError:
        message = f"the body did not arrive within {limits.receive_s:g} s"
        raise SlowRequestError(message) from None
    finally:
        deadline.close()


async def _collect(receive: Receive, limits: Limits) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        whole: bytes = message.get("body", b"")
        return _checked(whole, limits)
    body = bytearray()
    while message["type"] == "http.request":
        body += message.get("body", b"")
        _checked(body, limits)
        if not message.get("more_body"):
            return bytes(body)
        message = await receive()
    raise ClientGoneError


def _checked(body: _B, limits: Limits) -> _B:
    if len(body) > limits.body:
        raise _too_large(limits)
    return body


def _too_large(limits: Limits) -> TooLargeError:
    message = f"the body is larger than {limits.body:,} bytes"
    return TooLargeError(message, hint="the limit is server.max_body")


async def discard(receive: Receive, limits: Limits) -> None:
    """Read on, for a while and without keeping anything. A connection closed on unread bytes loses the answer, too."""
    left = limits.discard
    try:
        async with asyncio.timeout(limits.discard_s):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
    except TimeoutError:
        return


def check_depth(body: bytes) -> None:
    """Refuse nesting that a recursive parser could not survive, before one sees it. Raises SchemaError."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    # What is outside of strings: without escapes, every other piece between quotes.
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NOT_BRACKETS)
    brackets = b"".join(plain.split(b'"')[::2])
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > MAX_DEPTH:
        message = f"the body is nested more than {MAX_DEPTH} levels deep"
        raise SchemaError(message)
