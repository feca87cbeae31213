"""A hub behind a mirror: the mirror is asked instead, and the hub itself only where an administrator said so.

Knows nothing about what either answers. The mirror is a stranger: it gets no token, and is named when it fails.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import NoReturn, Protocol

import structlog

from roundhouse.core.artifacts import Plan, PlannedFile
from roundhouse.core.browse import Offer, Query
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.ports import ByteStream, Catalog, Source

_log = structlog.get_logger("roundhouse.sources")
#: What a mirror may lack or refuse, and the hub may have.
_FAILURES = frozenset({"E_NET", "E_NOTFOUND", "E_AUTH", "E_LICENSE", "E_LIMIT", "E_PERM"})


class Hub(Source, Catalog, Protocol):
    """Where models can be looked for and had."""


class MirroredHub:
    """A mirror, and the hub behind it if it may be asked."""

    scheme = "hf"

    def __init__(self, mirror: Hub, address: str, hub: Hub | None) -> None:
        self._mirror, self._address, self._hub = mirror, address, hub

    async def resolve(self, ref: str) -> Plan:
        """The exact files behind *ref*. Raises what a hub raises, with the mirror's name."""
        try:
            return await self._mirror.resolve(ref)
        except RoundhouseError as error:
            hub = self._instead(error)
        return await hub.resolve(ref)

    async def browse(self, query: Query) -> Sequence[Offer]:
        """What fits *query*. Raises what a hub raises, with the mirror's name."""
        try:
            return await self._mirror.browse(query)
        except RoundhouseError as error:
            hub = self._instead(error)
        return await hub.browse(query)

    def open(
        self, file: PlannedFile, offset: int, length: int | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        """The bytes of *file* from *offset* on: a commit is the same wherever it lies, and digests prove it."""
        return self._open(file, offset, length)

    @asynccontextmanager
    async def _open(self, file: PlannedFile, offset: int, length: int | None) -> AsyncIterator[ByteStream]:
        async with AsyncExitStack() as stack:
            try:
                stream = await stack.enter_async_context(self._mirror.open(file, offset, length))
            except RoundhouseError as error:
                stream = await stack.enter_async_context(self._instead(error).open(file, offset, length))
            yield stream

    def _instead(self, error: RoundhouseError) -> Hub:
        """Who to ask after the mirror failed. Raises *error*, with the mirror's name, when nobody."""
        if error.code not in _FAILURES and "not_a_hub" not in error.details:
            raise error  # the question itself is wrong, and would be anywhere
        if self._hub is None:
            self._blame(error)
        _log.warning("the mirror failed, the hub is asked", mirror=self._address, code=error.code, reason=error.message)
        return self._hub

    def _blame(self, error: RoundhouseError) -> NoReturn:
        message = f"the mirror {self._address} failed: {error.message}"
        hint = "is downloads.mirror right? downloads.mirror_fallback = true asks the hub itself when the mirror fails"
        raise type(error)(
            message,
            hint=hint,
            retryable=error.retryable,
            retry_after_s=error.retry_after_s,
            details=error.details,
        ) from error
