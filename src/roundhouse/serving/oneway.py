"""What every stream of ours has in common: pieces come out, nothing goes in. Knows nothing of where they come from."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from types import TracebackType

from roundhouse.core.inference import Chunk


class OneWay(AsyncGenerator[Chunk, None]):
    """A stream with ``__anext__`` and ``aclose``.

    A class, because an async generator that nobody ever iterated does not run its ``finally`` on ``aclose``:
    a client that left between the commit and the first byte would leave no record, and its upstream running.
    """

    __slots__ = ()

    async def asend(self, _value: None) -> Chunk:
        """The same as ``anext``: nothing can be sent."""
        return await self.__anext__()

    async def athrow(
        self,
        kind: type[BaseException] | BaseException,
        value: BaseException | object = None,
        _trace: TracebackType | None = None,
    ) -> Chunk:
        """Close, and raise what was thrown."""
        await self.aclose()
        raise value if isinstance(value, BaseException) else kind
