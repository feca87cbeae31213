"""What is said about models, at hand without asking the database, and written behind the requests.

Knows nothing about requests: it is told that a model was used. A kill loses what was used in the last second; pins and
tags are kept before they are answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import datetime

import structlog

from roundhouse.core.errors import RoundhouseError, SchemaError
from roundhouse.core.events import ArtifactRemoved, Event
from roundhouse.core.marks import MOST_TAGS, UNMARKED, Mark, Marks, Tag, Use

_log = structlog.get_logger("roundhouse.library")

#: Seconds that uses wait in memory.
INTERVAL_S = 1.0


class Marking:
    """The marks of all models. All of it belongs to one event loop."""

    def __init__(self, marks: Marks, interval_s: float = INTERVAL_S) -> None:
        self._marks, self._interval_s = marks, interval_s
        self._known: dict[str, Mark] = {}
        #: Grows with every change of what is said.
        self.changes = 0
        self._unwritten: dict[str, Use] = {}
        self._some = asyncio.Event()
        self._change = asyncio.Lock()

    async def start(self) -> None:
        """Read what is said, and begin to write behind. Raises what the store raises."""
        self._known = dict(await self._marks.all())
        self._writing = asyncio.create_task(self._write_behind(), name="marks")

    async def close(self) -> None:
        """Write what is left, and stop."""
        self._writing.cancel()
        await asyncio.wait([self._writing])
        try:
            await self.flush()
        except RoundhouseError as error:
            _log.warning("uses of models are not written", models=len(self._unwritten), reason=error.message)

    def of(self, model: str) -> Mark:
        """What is said about one model."""
        return self._known.get(model, UNMARKED)

    def used(self, model: str, at: datetime) -> None:
        """Note that a model answered a request; returns at once."""
        waiting = self._unwritten.get(model)
        self._unwritten[model] = Use(model, at, 1) if waiting is None else Use(model, at, waiting.times + 1)
        known = self._known.get(model, UNMARKED)
        self._known[model] = Mark(known.pinned, known.tags, at, known.times_used + 1)
        self.changes += 1
        self._some.set()

    async def pin(self, model: str, *, pinned: bool) -> Mark:
        """Let a model stay whatever is cleaned up, or no longer."""
        return await self._note(
            model, lambda: self._marks.pin(model, pinned=pinned), lambda mark: replace(mark, pinned=pinned)
        )

    async def tag(self, model: str, add: Collection[Tag], remove: Collection[Tag]) -> Mark:
        """Put tags on a model and take others off. Raises SchemaError when it would have too many."""

        def changed(mark: Mark) -> Mark:
            return replace(mark, tags=tuple(sorted(({*mark.tags} - {*remove}) | {*add})))

        if len(changed(self.of(model)).tags) > MOST_TAGS:
            message = f"{model} would have more than {MOST_TAGS} tags"
            raise SchemaError(message, hint=f"take one off with `roundhouse models untag {model} TAG`")
        return await self._note(model, lambda: self._marks.tag(model, add, {*remove} - {*add}), changed)

    def listen(self, event: Event) -> None:
        """Forget what is said about a model that is gone; the registry has forgotten it already."""
        if isinstance(event, ArtifactRemoved):
            self.changes += 1
            self._known.pop(event.model, None)
            self._unwritten.pop(event.model, None)

    async def flush(self) -> None:
        """Write all uses noted so far. Raises what the store raises; they wait then."""
        uses, self._unwritten = self._unwritten, {}
        self._some.clear()
        try:
            await self._marks.add_uses(tuple(uses.values()))
        except BaseException:
            for use in uses.values():
                self._put_back(use)
            raise

    def _put_back(self, use: Use) -> None:
        later = self._unwritten.get(use.model)
        self._unwritten[use.model] = use if later is None else replace(later, times=use.times + later.times)
        self._some.set()

    async def _note(self, model: str, write: Callable[[], Awaitable[None]], change: Callable[[Mark], Mark]) -> Mark:
        """Keep first, then believe: what is answered survives a kill."""
        async with self._change:
            await write()
            self._known[model] = change(self.of(model))
            self.changes += 1
        return self.of(model)

    async def _write_behind(self) -> None:
        is_away = False
        while True:
            await self._some.wait()
            await asyncio.sleep(self._interval_s)
            try:
                await self.flush()
            except RoundhouseError as error:
                if not is_away:
                    _log.warning("uses of models wait to be written", reason=error.message)
                is_away = True
            else:
                is_away = False
