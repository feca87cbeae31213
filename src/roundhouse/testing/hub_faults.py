"""What can go wrong with a hub, planted on purpose and counted. Knows nothing about what the hub holds."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import web


class FaultKind(StrEnum):
    """One way to fail."""

    #: The connection ends after some bytes, or goes silent.
    CUT = "cut"
    STALL = "stall"
    #: The right number of wrong bytes.
    WRONG_BYTES = "wrong-bytes"
    #: ``200`` for a range; ``206`` for another range.
    IGNORE_RANGE = "ignore-range"
    WRONG_RANGE = "wrong-range"
    #: An error status, with ``Retry-After`` if asked.
    STATUS = "status"
    LOGIN_PAGE = "login-page"
    COMPRESSED = "compressed"
    #: A redirect, to itself or elsewhere.
    REDIRECT = "redirect"


@dataclass(slots=True)
class Fault:
    """A fault that strikes the next answers of one place."""

    kind: FaultKind
    times: int = 1
    #: ``api``, ``resolve`` or ``cdn``.
    where: str = "cdn"
    #: Bytes that still get through before a cut or a stall.
    after: int = 0
    status: int = 503
    retry_after: str | None = None
    location: str = ""
    fired: int = 0
    #: Set when it has struck for the first time.
    struck: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def needs_file(self) -> bool:
        """Whether it strikes while a file is sent, and not instead."""
        return self.kind in {
            FaultKind.CUT,
            FaultKind.STALL,
            FaultKind.WRONG_BYTES,
            FaultKind.IGNORE_RANGE,
            FaultKind.WRONG_RANGE,
        }

    def fire(self) -> None:
        """Count it."""
        self.fired += 1
        self.struck.set()

    def response(self) -> web.Response:
        """What is answered instead."""
        match self.kind:
            case FaultKind.LOGIN_PAGE:
                return web.Response(text="<html><form>Please log in</form></html>", content_type="text/html")
            case FaultKind.COMPRESSED:
                headers = {"Content-Encoding": "gzip", "Content-Type": "application/octet-stream"}
                return web.Response(body=b"\x1f\x8b compressed", headers=headers)
            case FaultKind.REDIRECT:
                return web.Response(status=302, headers={"Location": self.location})
            case _:
                headers = {"Retry-After": self.retry_after} if self.retry_after is not None else {}
                return web.Response(status=self.status, headers=headers, text="planted")


@dataclass(slots=True)
class Seen:
    """One request that arrived."""

    where: str
    method: str
    path: str
    headers: Mapping[str, str]
    #: Bytes of a file that were sent in answer.
    sent: int = 0

    @property
    def begin(self) -> int:
        """The offset that was asked for."""
        return self.span[0]

    @property
    def span(self) -> tuple[int, int]:
        """The first byte that was asked for, and the first one after."""
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        return int(first or 0), int(last) + 1 if last else sys.maxsize
