"""The runtimes that run on this machine beside us, found at start and whenever one appears later.

Knows nothing about how one is found or made. One that goes away stays known: its breaker says that it is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog

from roundhouse.core.ports import Backend
from roundhouse.core.views import Found

#: Seconds between two looks.
ROUND_S = 30.0

_log = structlog.get_logger("roundhouse.neighbours")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a backend came from."""

    kind: str
    #: ``None`` for the embedded runtime.
    url: str | None
    #: Named in the configuration; False when it is ours or was found.
    configured: bool


class Neighbours:
    """Whoever answers on the usual ports of this machine."""

    def __init__(
        self,
        look: Callable[[], Awaitable[Sequence[Found]]],
        make: Callable[[Found], Backend],
        by_name: dict[str, Backend],
        origins: dict[str, Origin],
    ) -> None:
        self._look, self._make = look, make
        self._by_name, self._origins = by_name, origins
        #: Those who answered when we last looked, known to the configuration or not.
        self.found: tuple[Found, ...] = ()

    async def look_around(self) -> Sequence[str]:
        """Look once, and take in who is new; their names."""
        self.found = tuple(await self._look())
        fresh = [each for each in self.found if each.name not in self._by_name and not _is_known(each, self._origins)]
        for each in fresh:
            self._by_name[each.name] = self._make(each)
            self._origins[each.name] = Origin(each.kind, each.url, configured=False)
            _log.info("backend found", backend=each.name, kind=each.kind, url=each.url)
        return [each.name for each in fresh]

    async def run(self, changed: Callable[[Sequence[str]], Awaitable[None]], every_s: float = ROUND_S) -> None:
        """Look now and then, and say who is new, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            if fresh := await self.look_around():
                await changed(fresh)


def _is_known(found: Found, origins: Mapping[str, Origin]) -> bool:
    """Whether somebody configured the same address already."""
    place = urlsplit(found.url).netloc
    return any(origin.url is not None and urlsplit(origin.url).netloc == place for origin in origins.values())
