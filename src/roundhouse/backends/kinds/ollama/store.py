"""The models that one Ollama has: into memory and out of it, from its registry, away, and under second names.

Knows nothing about requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from roundhouse.backends.kinds.ollama.calls import Calls, missing
from roundhouse.backends.kinds.ollama.config import Policy
from roundhouse.backends.kinds.ollama.facts import Tags
from roundhouse.backends.kinds.ollama.models import Models
from roundhouse.backends.kinds.ollama.saying import read_line
from roundhouse.backends.kinds.window import rounded, too_long
from roundhouse.backends.wire.failures import error_in_stream, excerpt
from roundhouse.backends.wire.figures import tokens
from roundhouse.backends.wire.ndjson import LineParser
from roundhouse.core.clock import Clock
from roundhouse.core.errors import BackendError, CapacityError, ConflictError, NotFoundError, RoundhouseError
from roundhouse.core.inference import Capability
from roundhouse.core.runtimes import PullStep

_LOAD_S = 600.0
#: Ollama says nothing while it checks the digest of a large file.
_PULL_S = 900.0
#: How long weights may take to leave the memory, and how often to look.
_LEAVING_S, _LOOK_S = 10.0, 0.05
_PULLED = "success"
_NO_ERROR = (b"", b"null", b'""')


class _Step(msgspec.Struct):
    """One line of a pull; counts that are zero are left out."""

    status: str = ""
    digest: str | None = None
    total: int = 0
    completed: int = 0
    error: msgspec.Raw = msgspec.Raw()


class Store:
    """Everything that one Ollama keeps."""

    def __init__(self, calls: Calls, models: Models, policy: Policy, clock: Clock) -> None:
        self._calls, self._models, self._policy, self._clock = calls, models, policy, clock
        self._loading: dict[str, asyncio.Lock] = {}

    async def load(self, upstream: str, *, context: int | None = None, keep_s: float | None = None) -> float:
        """Bring it into memory once; seconds it took. Raises NotFoundError, CapacityError, SchemaError."""
        reach = self._models.reach(upstream)
        if context is not None and reach.served is not None and context > reach.served:
            raise too_long(context, None, reach.served)
        async with self._loading.setdefault(upstream, asyncio.Lock()):
            running = (await self._models.running()).get(upstream)
            if running is not None and keep_s is None and context in (None, running.context_length):
                return 0.0
            loaded = tokens(running.context_length) if running is not None else None
            window = reach.fixed or context or loaded or rounded(1, reach)
            with self._models.using(upstream):
                return await self._load(upstream, self._models.opened(upstream, window), keep_s)

    async def unload(self, upstream: str) -> None:
        """Let go of it, and wait until it is gone. Raises NotFoundError, ConflictError, BackendError."""
        try:
            await self._calls.whole("/api/generate", _encoded(model=upstream, keep_alive=0, stream=False), _LOAD_S)
        except RoundhouseError as error:
            raise missing(error, upstream) from error.__cause__
        if not await self._is_gone(upstream):
            message = f"{self._calls.name}: {upstream} is in use"
            raise ConflictError(message, hint="it leaves the memory when its requests are answered")
        self._models.closed(upstream)

    async def pull(self, upstream: str) -> AsyncGenerator[PullStep, None]:
        """Fetch a model; closing it stops the download there. Raises NotFoundError, BackendError, on iteration."""
        lines, parts, last = LineParser(), dict[str, tuple[int, int]](), ""
        body = _encoded(model=upstream, stream=True)
        try:
            async with aclosing(
                self._calls.stream("/api/pull", body, _PULL_S, lambda: last == _PULLED, _PULL_S)
            ) as pieces:
                async for data in pieces:
                    for line in lines.feed(data):
                        step = _step(line, parts)
                        last = step.status
                        yield step
            for line in lines.finish():
                step = _step(line, parts)
                last = step.status
                yield step
        except RoundhouseError as error:
            raise _unknown(self._calls.named(error), upstream) from error.__cause__
        if last != _PULLED:
            message = f"{self._calls.name}: the pull of {upstream} ended before it was done"
            raise BackendError(message)

    async def delete(self, upstream: str) -> None:
        """Delete a model, out of memory first: Ollama itself would delete what it serves. Raises NotFoundError."""
        if upstream in await self._models.running():
            await self.unload(upstream)
        try:
            await self._calls.delete("/api/delete", {"model": upstream})
        except RoundhouseError as error:
            raise missing(error, upstream) from error.__cause__

    async def copy(self, upstream: str, name: str) -> None:
        """Give a model a second name; Ollama itself would replace what has it. Raises NotFoundError, ConflictError."""
        held = {tag.id for tag in (await self._calls.get("/api/tags", Tags)).models or ()}
        if name in held or f"{name}:latest" in held:
            message = f"{self._calls.name} has a model called {name} already"
            raise ConflictError(message, hint="choose another name, or delete that model first")
        try:
            await self._calls.whole("/api/copy", _encoded(source=upstream, destination=name), _LOAD_S)
        except RoundhouseError as error:
            raise missing(error, upstream) from error.__cause__

    async def _load(self, upstream: str, window: int, keep_s: float | None) -> float:
        embeds = self._models.of(upstream).capabilities == {Capability.EMBEDDING}
        body: dict[str, object] = {"model": upstream, "stream": False, "options": {"num_ctx": window}}
        keep = self._policy.keep_alive if keep_s is None else round(keep_s)
        body |= {"input": []} if embeds else {}
        body |= {} if keep is None else {"keep_alive": keep}
        started = self._clock.monotonic()
        try:
            # An embedder refuses to generate, also nothing.
            data = await self._calls.whole("/api/embed" if embeds else "/api/generate", _encoded(**body), _LOAD_S)
            line = read_line(data)
        except RoundhouseError as error:
            self._models.closed(upstream)
            raise _no_room(missing(self._calls.named(error), upstream)) from error.__cause__
        seconds = line.load_s or self._clock.monotonic() - started
        self._models.loaded_in(upstream, seconds)
        return seconds

    async def _is_gone(self, upstream: str) -> bool:
        deadline = self._clock.monotonic() + _LEAVING_S
        while upstream in await self._models.running():
            if self._clock.monotonic() >= deadline:
                return False
            await asyncio.sleep(_LOOK_S)
        return True


def _encoded(**fields: object) -> bytes:
    return msgspec.json.encode(fields)


def _step(line: bytes, parts: dict[str, tuple[int, int]]) -> PullStep:
    """One line as progress over all files: Ollama counts each for itself. Raises BackendError."""
    try:
        step = msgspec.json.decode(line, type=_Step)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"that is not what Ollama answers ({error}): {excerpt(line)}"
        raise BackendError(message) from error
    if bytes(step.error) not in _NO_ERROR:
        raise error_in_stream(line)
    if step.digest:
        known = parts.get(step.digest, (0, 0))
        parts[step.digest] = (max(step.completed, known[0]), max(step.total, known[1]))
    if not parts:
        return PullStep(step.status)
    return PullStep(step.status, sum(done for done, _ in parts.values()), sum(total for _, total in parts.values()))


def _unknown(error: RoundhouseError, upstream: str) -> RoundhouseError:
    """The same error; that the registry has no such model is no failure."""
    if "file does not exist" in error.message or "manifest unknown" in error.message:
        return NotFoundError(error.message, hint=f"is {upstream} spelled right?", details=error.details)
    return error


def _no_room(error: RoundhouseError) -> RoundhouseError:
    """The same error; that there is no memory for a model is no failure either."""
    if "requires more system memory" in error.message or "out of memory" in error.message:
        return CapacityError(error.message, hint="unload another model first", details=error.details)
    return error
