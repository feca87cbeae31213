"""What is known of the models of one Ollama, and how large the contexts are that they are in memory with.

Asks when somebody lists; requests only read. Knows nothing about what requests say.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from roundhouse.backends.kinds.ollama.asking import Asked, Thinker
from roundhouse.backends.kinds.ollama.calls import Calls, is_overflow
from roundhouse.backends.kinds.ollama.config import Policy
from roundhouse.backends.kinds.ollama.facts import UNSHOWN, Known, Running, Runnings, Shown, Tag, Tags
from roundhouse.backends.kinds.window import Reach, next_larger, rounded, window_for
from roundhouse.backends.wire.figures import tokens
from roundhouse.core.errors import RoundhouseError, SchemaError
from roundhouse.core.inference import Capability, Deployment, Profile

#: Questions about single models at a time; each reads a header from the disk there.
_AT_A_TIME = 4
#: A model that is in memory already still reports a few milliseconds.
_REAL_LOAD_S = 0.25


class Models:
    """The models of one Ollama."""

    def __init__(self, calls: Calls, policy: Policy, wanted: Sequence[str] = ()) -> None:
        self._calls, self._policy = calls, policy
        self._wanted = tuple(wanted)
        self._known: dict[str, Known] = {}
        self._shown: dict[tuple[str, str], Shown] = {}
        #: ``num_ctx`` of what is in memory, by model.
        self._windows: dict[str, int] = {}
        self._load_s: dict[str, float] = {}
        self._busy: Counter[str] = Counter()

    async def deployments(self) -> list[Deployment]:
        """What is served now. Raises RoundhouseError when it cannot be asked."""
        tags, running = await asyncio.gather(self._calls.get("/api/tags", Tags), self.running())
        by_id = {tag.id: tag for tag in tags.models or () if tag.id}
        chosen = self._chosen(by_id)
        asking = asyncio.Semaphore(_AT_A_TIME)
        shown = await asyncio.gather(*[self._show(tag, asking) for _, tag in chosen])
        self._known = {
            tag.id: Known(tag, shown, running.get(tag.id), self._load_s.get(tag.id))
            for (_, tag), shown in zip(chosen, shown, strict=True)
        }
        self._shown = {key: shown for key, shown in self._shown.items() if key[0] in by_id}
        return [replace(self._deployment(tag), model=name) for name, tag in chosen]

    async def running(self) -> dict[str, Running]:
        """What is in memory, by name. Raises RoundhouseError."""
        found = (await self._calls.get("/api/ps", Runnings)).models or ()
        running = {each.model or each.name: each for each in found}
        for name in [name for name in self._windows if name not in running and not self._busy[name]]:
            del self._windows[name]
        for name, each in running.items():
            if (served := tokens(each.context_length)) is not None:
                loading = self._windows.get(name, 0) if self._busy[name] else 0
                self._windows[name] = max(served, loading)
        return running

    def unasked(self) -> list[Deployment]:
        """Those that somebody named, while it cannot be asked about them."""
        return [
            Known(tag).deployment(self._calls.name, self._policy.limits, local=self._calls.local)
            for _, tag in self._chosen({})
        ]

    def of(self, upstream: str) -> Known:
        """What is known of one; only its name when it was never listed."""
        return self._known.get(upstream) or Known(Tag(name=upstream))

    def reach(self, upstream: str) -> Reach:
        """Between which sizes its context may be."""
        return self.of(upstream).reach(self._policy.limits)

    def thinker(self, upstream: str) -> Thinker:
        """Whether it thinks, and of which family it is."""
        known = self.of(upstream)
        return Thinker(Capability.THINKING in known.capabilities, known.traits().family)

    def window(self, upstream: str, asked: Asked, prompt: int) -> int | None:
        """The context for a request; ``None`` where Ollama's cloud decides. Raises SchemaError: it cannot fit."""
        if self.of(upstream).tag.is_elsewhere:
            return None
        reach, loaded = self.reach(upstream), self._windows.get(upstream)
        if asked.window is not None and (reach.served is None or asked.window <= reach.served):
            loaded = max(loaded or 0, asked.window)
        return self.opened(upstream, window_for(prompt, asked.answer, reach, loaded))

    def reloads(self, upstream: str, profile: Profile) -> bool:
        """Whether a request needs another context than the one that it was listed in memory with."""
        running = self.of(upstream).running
        loaded = tokens(running.context_length) if running is not None else None
        if loaded is None:
            return False
        try:
            return window_for(profile.prompt_tokens, profile.max_tokens, self.reach(upstream), loaded) != loaded
        except SchemaError:
            return False  # it is refused, not loaded

    def window_of(self, upstream: str, need: int) -> int | None:
        """The same where Ollama itself refuses what does not fit."""
        if self.of(upstream).tag.is_elsewhere:
            return None
        return self.opened(upstream, rounded(max(need, self._windows.get(upstream, 0)), self.reach(upstream)))

    def larger(self, upstream: str, window: int | None, error: SchemaError) -> int:
        """The next context to try after a prompt turned out longer than estimated. Raises *error*: there is none."""
        found = next_larger(window, self.reach(upstream)) if window and is_overflow(error) else None
        if found is None:
            raise error
        return self.opened(upstream, found)

    def opened(self, upstream: str, window: int) -> int:
        """Note that the model is being used with that context from now on."""
        self._windows[upstream] = window
        return window

    def closed(self, upstream: str) -> None:
        """Note that it is not in memory any more."""
        self._windows.pop(upstream, None)

    def loaded_in(self, upstream: str, seconds: float) -> None:
        """Note how long a load took, if it was one."""
        if seconds >= _REAL_LOAD_S:
            self._load_s[upstream] = seconds

    @contextmanager
    def using(self, upstream: str) -> Iterator[None]:
        """While a request is on its way: its context is what will be loaded, whatever the list says yet."""
        self._busy[upstream] += 1
        try:
            yield
        finally:
            self._busy[upstream] -= 1
            if not self._busy[upstream]:
                del self._busy[upstream]

    def _chosen(self, by_id: dict[str, Tag]) -> list[tuple[str, Tag]]:
        """The models to serve, and what each is called; those of the cloud only if somebody wants them and may."""
        if not self._wanted:
            cloud = self._policy.cloud and not self._policy.offline
            return [(name, tag) for name, tag in by_id.items() if cloud or not tag.is_elsewhere]
        found = ((name, by_id.get(name) or by_id.get(f"{name}:latest")) for name in self._wanted)
        chosen = [(name, tag or Tag(name=name)) for name, tag in found]
        return [(name, tag) for name, tag in chosen if not (self._policy.offline and tag.is_elsewhere)]

    async def _show(self, tag: Tag, asking: asyncio.Semaphore) -> Shown:
        """What is said of one; asked once for each digest, and again when it could not be told."""
        key = (tag.id, tag.digest)
        if key in self._shown:
            return self._shown[key]
        async with asking:
            try:
                shown = await self._calls.post("/api/show", {"model": tag.id}, Shown)
            except RoundhouseError:
                return UNSHOWN
        if tag.digest:
            self._shown[key] = shown
        return shown

    def _deployment(self, tag: Tag) -> Deployment:
        return self._known[tag.id].deployment(self._calls.name, self._policy.limits, local=self._calls.local)
