"""HTTP to Anthropic. Knows nothing about what the answers mean."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence

from yarl import URL

from roundhouse.backends.kinds.anthropic.failures import instead_of_stream
from roundhouse.backends.kinds.calling import Calling
from roundhouse.backends.openai.connection import Terms
from roundhouse.core.errors import RoundhouseError

_PATH = "/v1/messages"


class Calls(Calling):
    """The way to Anthropic, or to whatever speaks like it."""

    who = "Anthropic"

    def __init__(self, name: str, url: str, keys: Sequence[str], terms: Terms) -> None:
        super().__init__(name, url.rstrip("/").removesuffix("/v1"), keys, terms)
        self._messages = URL(self.url + _PATH, encoded=True)
        self._path = self._messages.raw_path.encode("ascii")

    async def get(self, path: str) -> bytes:
        """The bytes that *path* answers. Raises RoundhouseError."""
        return await self.fetch(URL(self.url + path, encoded=True))

    async def whole(self, body: bytes, timeout_s: float) -> bytes:
        """The bytes of a whole message. Raises RoundhouseError."""
        return await self.send(self._path, body, timeout_s)

    def stream(self, body: bytes, timeout_s: float, enough: Callable[[], bool]) -> AsyncGenerator[bytes, None]:
        """The bytes of a streamed message until there are *enough*. Raises RoundhouseError, on iteration."""
        return self.pieces(self._messages, body, timeout_s, enough)

    def _instead(self, data: bytes) -> RoundhouseError:
        return instead_of_stream(data)
