"""Those who serve, for the API and the pages: how they are, and what they say when they are tried."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from roundhouse.app.probing import PATIENCE_S, asked
from roundhouse.app.probing.trial import try_out
from roundhouse.app.rooms import Rooms
from roundhouse.core.desks.trial import BackendTest, Trial
from roundhouse.core.errors import NotFoundError, RoundhouseError
from roundhouse.core.inference import Capability, Deployment, Residency
from roundhouse.core.ports import Backend, BackendHealth
from roundhouse.core.views import BackendStatus

_SILENT = BackendHealth(ok=False, detail=f"no answer within {PATIENCE_S:g} s")


class Backends:
    """All backends by name."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def backends(self) -> Sequence[BackendStatus]:
        """List them with their health."""
        shown = await asyncio.gather(*(self._shown(name) for name in self._rooms.fleet.backends))
        return [each for each in shown if each is not None]

    async def test_backend(self, name: str, trial: Trial) -> BackendTest:
        """Try one. Raises NotFoundError, also for the model; a backend that fails is an answer."""
        fleet = self._rooms.fleet
        backend = fleet.backends.get(name)
        if backend is None:
            raise _nobody(name)
        health = await asked(backend) or _SILENT
        await fleet.refresh([name])
        offered = fleet.offered(name)
        ids = tuple(each.id for each in offered)
        found = BackendTest(name, health.ok, health.told, health.latency_ms, ids)
        if trial.model is not None and trial.model not in {each.model for each in offered}:
            message = f"{name} has no model {trial.model[:200]}"
            raise NotFoundError(message, hint=f"see which there are with `roundhouse backends test {name}`")
        return await self._try_out(backend, found, offered, trial) if trial.prompt and health.ok else found

    async def _try_out(
        self, backend: Backend, found: BackendTest, offered: Sequence[Deployment], trial: Trial
    ) -> BackendTest:
        """The same, with what a model said."""
        able = [each for each in offered if Capability.CHAT in each.capabilities and trial.model in {None, each.model}]
        if not able:
            return replace(found, ok=False, detail="it offers no model that can chat")
        deployment = min(able, key=lambda each: each.residency is not Residency.LOADED)
        clock, pacing = self._rooms.clock, self._rooms.figuring.pacing
        try:
            outcome = await try_out(backend, deployment, clock.monotonic)
        except RoundhouseError as error:
            return replace(found, ok=False, detail=error.message, model=deployment.model)
        before, speed, keeps = pacing.baseline(deployment.id), outcome.tokens_per_s, False
        if outcome.pace is not None and (trial.baseline or before is None):
            pacing.measured(deployment.id, outcome.prompt_tokens, outcome.pace)
            keeps = True
        usual = None if before is None else before.kinds[min(before.kinds)].tokens_per_s
        return replace(
            found,
            reply=outcome.reply,
            model=deployment.model,
            verdict=outcome.verdict,
            first_token_ms=outcome.first_token_ms,
            tokens_per_s=speed,
            usual=usual,
            pace=speed / usual if speed is not None and usual is not None else None,
            baseline=keeps,
        )

    async def status_of(self, name: str) -> BackendStatus:
        """Show one with its health. Raises NotFoundError."""
        shown = await self._shown(name)
        if shown is None:
            raise _nobody(name)
        return shown

    async def _shown(self, name: str) -> BackendStatus | None:
        """One with its health; ``None`` when it is not there, or leaves while it is asked."""
        rooms = self._rooms
        backend = rooms.fleet.backends.get(name)
        if backend is None:
            return None
        health = await asked(backend) or _SILENT
        origin = rooms.origins.get(name)
        if origin is None:
            return None
        offered, slow = rooms.fleet.offered(name), rooms.figuring.pacing.slow()
        return BackendStatus(
            name=name,
            kind=origin.kind,
            url=origin.url,
            configured=origin.configured,
            ok=health.ok,
            detail=health.told,
            latency_ms=health.latency_ms,
            deployments=len(offered),
            loaded=tuple(each.model for each in offered if each.residency is Residency.LOADED),
            degraded=tuple(each.model for each in offered if each.id in slow),
            added=origin.added,
            warning=health.warning,
        )


def _nobody(name: str) -> NotFoundError:
    message = f"no backend {name}"
    return NotFoundError(message, hint="see which there are with `roundhouse backends ls`")
