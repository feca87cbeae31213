"""vLLM: which repository a served name stands for, which names are LoRA modules, and whether it sleeps.

Knows nothing about when to use it. It has one model, so all its names sleep and wake together.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

import msgspec
from yarl import URL

from roundhouse.backends.kinds.asking import Asking
from roundhouse.backends.kinds.loads import InUse, Loads
from roundhouse.backends.openai.connection import Terms
from roundhouse.core.errors import (
    BackendError,
    CapacityError,
    DeadlineError,
    NotFoundError,
    RoundhouseError,
    SchemaError,
)
from roundhouse.core.inference import Answer, Capability, Chunk, Deployment, InferenceRequest, Residency
from roundhouse.core.ports import BackendHealth
from roundhouse.core.runtimes import Feature

#: How such messages begin: further on they may quote what the client wrote.
_NO_TOOLS = re.compile(r'(?:"auto" tool choice|tool_choice="\w+") requires --(?:enable-auto-tool|tool-call-parser)')
_NO_SUCH_API = re.compile(r"does not support .{1,40} API")
_ENGINE = "engine"
_WAKE_S, _LOOK_S = 300.0, 0.1
#: Its default for ``--max-num-seqs`` on all but the largest cards.
_SLOTS = 256
_SLEEPER = frozenset({Feature.LOAD, Feature.UNLOAD})


class _Version(msgspec.Struct):
    version: str


class _Sleeping(msgspec.Struct):
    is_sleeping: bool


class _Model(msgspec.Struct):
    id: str
    #: What it was started with: a repository, or a folder.
    root: str | None = None
    #: Of a LoRA module, the model that it changes.
    parent: str | None = None


class _Models(msgspec.Struct):
    data: list[_Model]


class VLLM(Asking):
    """One vLLM."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        api_key: str | Sequence[str] | None = None,
        models: Sequence[str] = (),
        terms: Terms | None = None,
    ) -> None:
        super().__init__(name, url, api_key=api_key, models=models, terms=terms)
        self._prefix = URL(self.url.removesuffix("/v1")).raw_path.rstrip("/")
        self._version = ""
        #: ``None`` where it cannot be put to sleep, or does not say.
        self._sleeps: bool | None = None
        self._has_tools = True
        self._wakings = Loads()
        self._in_use = InUse(name)

    async def deployments(self) -> Sequence[Deployment]:
        """What it serves, with the repository behind each name. Raises NetworkError."""
        served, sleeps = await super().deployments(), await self._look()
        try:
            listed = await self.ask("/v1/models", _Models)
        except RoundhouseError:  # the list above is what counts
            return served
        cards, contexts = {card.id: card for card in listed.data}, {each.upstream: each.context for each in served}
        return [self._told(each, cards.get(each.upstream), contexts, sleeps=sleeps) for each in served]

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """The whole answer; one that sleeps is woken first. Raises what the port says."""
        await self._ready(request)
        try:
            with self._in_use.by_one(_ENGINE):
                return await super().answer(request, deployment)
        except SchemaError as error:
            raise self._meant(error) from error.__cause__

    async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncGenerator[Chunk, None]:
        """The answer piece by piece. Raises what the port says, on iteration."""
        await self._ready(request)
        try:
            with self._in_use.by_one(_ENGINE):
                async with aclosing(super().stream(request, deployment)) as chunks:
                    async for chunk in chunks:
                        yield chunk
        except SchemaError as error:
            raise self._meant(error) from error.__cause__

    async def load(self, upstream: str, *, context: int | None = None, keep_s: float | None = None) -> float:  # noqa: ARG002 - its context is said at its start
        """Wake it, however many ask; seconds it took. Raises NotFoundError, BackendError, DeadlineError."""
        await self._find(upstream)
        return await self._wakings.join(_ENGINE, self._wake) if await self._look() else 0.0

    async def unload(self, upstream: str) -> None:
        """Put it to sleep: its weights leave the GPU. Raises NotFoundError, ConflictError, BackendError."""
        await self._find(upstream)
        self._in_use.check(_ENGINE, upstream)
        # By itself it ends what it is answering to others, as do older versions, which know no such wish.
        await self._order("/sleep?level=1&mode=wait")
        if not await self._look():
            message = "it does not sleep"
            raise self._named(BackendError(message, hint="start vLLM with --enable-sleep-mode"))

    async def health(self) -> BackendHealth:
        """Whether its engine lives, which its list of models does not tell, and its version."""
        health = await self.well("/health", lambda _data: "vLLM")
        if not health.ok:
            return health
        if not self._version:
            try:
                self._version = (await self.ask("/version", _Version)).version
            except RoundhouseError as error:
                return BackendHealth(ok=False, detail=error.message)
        sleeps = "; sleeps" if self._sleeps else ""
        return replace(health, detail=f"vLLM {self._version}{sleeps}")

    async def close(self) -> None:
        """Let go of all connections, and stop waiting for it to wake."""
        await self._wakings.close()
        await super().close()

    def _told(
        self, each: Deployment, card: _Model | None, contexts: dict[str, int | None], *, sleeps: bool | None
    ) -> Deployment:
        """The same with what its card says; a LoRA module has the context of its model."""
        root, parent = (card.root, card.parent) if card else (None, None)
        repo = root if root and not root.startswith(("/", ".")) else None
        context = each.context or contexts.get(parent or "")
        can = each.capabilities if self._has_tools else each.capabilities - {Capability.TOOLS}
        traits = replace(each.traits, repo=repo, slots_usual=_SLOTS, load_s=self._wakings.took(_ENGINE))
        residency = Residency.COLD if sleeps else Residency.LOADED if card else each.residency
        return replace(each, capabilities=can, context=context, residency=residency, traits=traits)

    async def _find(self, upstream: str) -> None:
        """Raise NotFoundError when none of its names is *upstream*."""
        if upstream not in {card.id for card in (await self.ask("/v1/models", _Models)).data}:
            message = f"{self.name} has no model {upstream}"
            raise NotFoundError(message, hint="see which it lists", details={"backend": self.name})

    async def _look(self) -> bool | None:
        """Whether it sleeps; only some can."""
        try:
            self._sleeps = (await self.ask("/is_sleeping", _Sleeping)).is_sleeping
        except RoundhouseError:
            self._sleeps = None
        self.features = frozenset() if self._sleeps is None else _SLEEPER
        return self._sleeps

    async def _ready(self, request: InferenceRequest) -> None:
        """Wake it if it was asleep when we last looked: else it would be silent."""
        if not self._sleeps:
            return
        try:
            async with asyncio.timeout(request.timeout_s):
                await self._wakings.join(_ENGINE, self._wake)
        except TimeoutError as error:
            message = f"it did not wake within {request.timeout_s:g} s"
            raise self._named(DeadlineError(message, hint="wake it before, or allow more time")) from error

    async def _wake(self) -> float:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await self._order("/wake_up")
        while await self._look():  # some versions answer before it is awake
            if loop.time() - started > _WAKE_S:
                message = f"it did not wake within {_WAKE_S:g} s"
                raise self._named(DeadlineError(message))
            await asyncio.sleep(_LOOK_S)
        return loop.time() - started

    async def _order(self, path: str) -> None:
        try:
            await self._connection.whole((self._prefix + path).encode("ascii"), b"", _WAKE_S)
        except RoundhouseError as error:
            if "memory" in error.message:
                error = CapacityError(error.message, hint="unload another model first", details=error.details)
            raise self._named(error) from error.__cause__

    def _meant(self, error: SchemaError) -> RoundhouseError:
        """The same error; what it was not started for, another may be able to do."""
        if _NO_TOOLS.match(error.message.removeprefix(f"{self.name}: ")):
            self._has_tools = False
            hint = "start vLLM with --enable-auto-tool-choice and --tool-call-parser"
            return BackendError(error.message, hint=hint, details=error.details)
        if _NO_SUCH_API.search(error.message):
            return BackendError(error.message, details=error.details)
        return error
