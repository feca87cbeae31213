"""Those who serve, for the API and the pages: how they are, and what they say when they are tried."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from uuid import uuid4

from roundhouse.app.probing import PATIENCE_S, asked
from roundhouse.app.rooms import Rooms
from roundhouse.core.errors import NotFoundError, RoundhouseError
from roundhouse.core.inference import Capability, Deployment, InferenceRequest, Operation, Profile, Residency
from roundhouse.core.ports import BackendHealth
from roundhouse.core.views import BackendStatus, BackendTest

_ONE_TOKEN = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}
#: Loading a large model from a slow disk takes its time.
_TEST_TIMEOUT_S = 120.0
_SILENT = BackendHealth(ok=False, detail=f"no answer within {PATIENCE_S:g} s")


class Backends:
    """All backends by name."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def backends(self) -> Sequence[BackendStatus]:
        """List them with their health."""
        return await asyncio.gather(*(self._status(name) for name in self._rooms.fleet.backends))

    async def test_backend(self, name: str, *, prompt: bool) -> BackendTest:
        """Try one, with a short chat if *prompt*. Raises NotFoundError; a backend that fails is an answer."""
        fleet = self._rooms.fleet
        if name not in fleet.backends:
            message = f"no backend {name}"
            raise NotFoundError(message, hint="see which there are with `roundhouse backends ls`")
        health = await asked(fleet.backends[name]) or _SILENT
        await fleet.refresh([name])
        offered = fleet.offered(name)
        ids = tuple(each.id for each in offered)
        trouble = None if health.ok else health.detail
        reply = None
        if prompt and trouble is None:
            reply, trouble = await self._chat(offered)
        return BackendTest(name, trouble is None, trouble or health.detail, health.latency_ms, ids, reply)

    async def _chat(self, offered: Sequence[Deployment]) -> tuple[str | None, str | None]:
        """What the first model that can chat says, or why it does not."""
        able = [each for each in offered if Capability.CHAT in each.capabilities]
        if not able:
            return None, "it offers no model that can chat"
        deployment = min(able, key=lambda each: each.residency is not Residency.LOADED)
        request = InferenceRequest(
            id=uuid4().hex,
            profile=Profile(Operation.CHAT, deployment.model, frozenset({Capability.CHAT}), prompt_tokens=8),
            body=json.dumps(_ONE_TOKEN | {"model": deployment.model}).encode(),
            timeout_s=_TEST_TIMEOUT_S,
        )
        try:
            answer = await self._rooms.fleet.backends[deployment.backend].answer(request, deployment)
        except RoundhouseError as error:
            return None, error.message
        return _text_of(answer.data), None

    async def _status(self, name: str) -> BackendStatus:
        rooms = self._rooms
        health = await asked(rooms.fleet.backends[name]) or _SILENT
        offered = rooms.fleet.offered(name)
        origin = rooms.origins[name]
        return BackendStatus(
            name=name,
            kind=origin.kind,
            url=origin.url,
            configured=origin.configured,
            ok=health.ok,
            detail=health.detail,
            latency_ms=health.latency_ms,
            deployments=len(offered),
            loaded=tuple(each.model for each in offered if each.residency is Residency.LOADED),
        )


def _text_of(data: bytes) -> str | None:
    """The words of a chat answer, if it has any."""
    try:
        content = json.loads(data)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        return None
    return content if isinstance(content, str) else None
