"""The runtimes that run on this machine beside us, found at start and whenever one appears later.

Knows nothing about how one is found or made. One that goes away stays known, for it may come back and its breaker says
that it is away; unless another runtime answers in its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from roundhouse.core.ports import Backend
from roundhouse.core.runtimes import place_of
from roundhouse.core.views import Found

_log = structlog.get_logger("roundhouse.neighbours")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a backend came from."""

    kind: str
    #: ``None`` for the embedded runtime.
    url: str | None
    #: Named in the configuration; False when it is ours or was found.
    configured: bool
    #: Added while Roundhouse ran, and written nowhere else.
    added: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What is otherwise than when we last looked."""

    fresh: tuple[str, ...] = ()
    #: Those in whose place another one answers now.
    gone: Mapping[str, Backend] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything is."""
        return bool(self.fresh or self.gone)


class Neighbours:
    """Whoever answers on the usual ports of this machine."""

    def __init__(
        self,
        look: Callable[[], Awaitable[Sequence[Found]]],
        make: Callable[[Found], Backend],
        by_name: dict[str, Backend],
        origins: dict[str, Origin],
        is_off: Callable[[Found], bool] = lambda _: False,
    ) -> None:
        self._look, self._make = look, make
        #: Somebody switched it off, and it is not taken in.
        self._is_off = is_off
        self._by_name, self._origins = by_name, origins
        #: Those who answered when we last looked, known to the configuration or not.
        self.found: tuple[Found, ...] = ()

    async def look_around(self) -> Change:
        """Look once, take in who is new, and let go of whoever was found in that place before."""
        self.found = tuple(await self._look())
        gone: dict[str, Backend] = {}
        for each in self.found:
            for name in self._replaced_by(each):
                gone[name] = self._by_name.pop(name)
                del self._origins[name]
                _log.info("backend gone", backend=name, instead=each.name, url=each.url)
        fresh = [each for each in self.found if self._is_new(each)]
        for each in fresh:
            self._by_name[each.name] = self._make(each)
            self._origins[each.name] = Origin(each.kind, each.url, configured=False)
            _log.info("backend found", backend=each.name, kind=each.kind, url=each.url)
        return Change(tuple(each.name for each in fresh), gone)

    async def run(self, changed: Callable[[Change], Awaitable[None]], every_s: float) -> None:
        """Look now and then, and say what has changed, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            if change := await self.look_around():
                await changed(change)

    def _is_new(self, found: Found) -> bool:
        return found.name not in self._by_name and not self._at(found) and not self._is_off(found)

    def _at(self, found: Found) -> list[str]:
        """The backends at that address."""
        place = place_of(found.url)
        return [
            name for name, origin in self._origins.items() if origin.url is not None and place_of(origin.url) == place
        ]

    def _replaced_by(self, found: Found) -> list[str]:
        """Those of another kind that were found at that address, where nobody configured one."""
        there = {name: self._origins[name] for name in self._at(found)}
        if any(origin.configured for origin in there.values()):
            return []
        return [name for name, origin in there.items() if origin.kind != found.kind]
