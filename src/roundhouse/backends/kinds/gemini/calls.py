"""HTTP to Google's API. Knows nothing about what the answers mean.

The key goes into a header and never into an address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import quote

from yarl import URL

from roundhouse.backends.kinds.calling import Calling
from roundhouse.backends.kinds.gemini.failures import failure_in_stream, google_failure
from roundhouse.backends.openai.connection import Terms
from roundhouse.core.errors import ConfigError, RoundhouseError

_T = TypeVar("_T")
#: Where Google itself is.
ADDRESS = "https://generativelanguage.googleapis.com"
#: Whoever configured its OpenAI dialect means the same server, and only this version has all that is asked for.
_VERSION = re.compile(r"/v1(?P<own>alpha|beta)?(?:/openai)?$")
_MOST_ADDRESSES = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where one model is asked."""

    whole: bytes
    stream: URL
    embed: bytes


class Calls(Calling):
    """The way to one such API, with one key or several."""

    who = "Google"

    def __init__(self, name: str, url: str = ADDRESS, keys: Sequence[str] = (), terms: Terms | None = None) -> None:
        base = url.rstrip("/")
        if "?" in base or "#" in base:
            message = f"backends.{name}.url is more than an address"
            raise ConfigError(message, hint="a key belongs into api_key_env or api_key_file")
        version = _VERSION.search(base)
        terms = replace(terms or Terms(), key_header="x-goog-api-key", key_prefix="", read_failure=google_failure)
        super().__init__(name, base[: version.start()] if version else base, keys, terms)
        self._api = f"{self.url}/v1{(version and version['own']) or 'beta'}"
        self._prefix = URL(self._api).raw_path
        self._places: dict[str, Place] = {}

    def place(self, upstream: str) -> Place:
        """Where *upstream* is asked; made once, because addresses are slow to take apart."""
        found = self._places.get(upstream)
        if found is None:
            if len(self._places) >= _MOST_ADDRESSES:
                self._places.clear()
            path = f"{self._prefix}/{quote(resource(upstream), safe='/')}"
            stream = URL(
                f"{self._api}/{quote(resource(upstream), safe='/')}:streamGenerateContent?alt=sse", encoded=True
            )
            found = Place(f"{path}:generateContent".encode(), stream, f"{path}:batchEmbedContents".encode())
            self._places[upstream] = found
        return found

    async def get(self, path: str, shape: type[_T]) -> _T:
        """What *path* below the version answers. Raises RoundhouseError."""
        return self.decoded(await self.fetch(URL(f"{self._api}{path}", encoded=True)), shape)

    def _instead(self, data: bytes) -> RoundhouseError:
        return failure_in_stream(data)


def resource(upstream: str) -> str:
    """The full name of a model: ``models/…``, or of one that somebody tuned, ``tunedModels/…``."""
    return upstream if "/" in upstream else f"models/{upstream}"
