"""Bytes on their way in, for the API and the pages."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from roundhouse.app.desks.plans import Speed, pull_plan
from roundhouse.app.desks.views import transfer_view
from roundhouse.app.rooms import Rooms
from roundhouse.core.desks.instead import refusal
from roundhouse.core.errors import OfflineError
from roundhouse.core.events import TransferForgotten
from roundhouse.core.views import Bandwidth, PullPlan, TransferView
from roundhouse.upkeep.progress import Progress

T = TypeVar("T")


class TransferDesk:
    """Starting pulls, and how they do."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def plan_pull(self, ref: str, name: str | None, *, by: str | None = None) -> PullPlan:
        """Resolve *ref* without fetching it. Raises what the source raises, and PolicyError."""
        preview = await self._reachable(ref, self._rooms.pulls.preview(ref, name, by=by))
        return pull_plan(preview, self._rooms.memory, self._speed(preview.plan.source))

    def _speed(self, source: str) -> Speed:
        """What the bytes of one more pull from *source* may be expected to come at."""
        pulls = self._rooms.pulls
        window = pulls.limits.scheduled.window
        known = (pulls.limits.shared.limit, pulls.limits.by_source.get(source), window.bandwidth if window else None)
        limits = [limit for limit in known if limit]
        if limits:
            return Speed(min(limits), "limit")
        measured = sum(each.rate or 0.0 for each in pulls.moving())
        return Speed(measured, "measured") if measured else Speed(None, None)

    async def start_pull(self, ref: str, name: str | None, *, by: str | None = None) -> TransferView:
        """Start for *by*, or join the transfer of the same reference that is under way.

        Raises SchemaError, OfflineError, PolicyError, LicenseError.
        """
        return transfer_view(Progress(await self._reachable(ref, self._rooms.pulls.start(ref, name, by=by))))

    async def _reachable(self, ref: str, asked: Awaitable[T]) -> T:
        """What was *asked*; when that needs the network and may not, say what is here instead. Raises OfflineError."""
        try:
            return await asked
        except OfflineError as error:
            here = [artifact.model for artifact in await self._rooms.library.list()]
            raise refusal(ref, here) from error

    async def transfers(self) -> Sequence[TransferView]:
        """List them, newest first."""
        return [transfer_view(each) for each in await self._rooms.pulls.list()]

    async def transfer(self, transfer_id: str) -> TransferView:
        """Show one. Raises NotFoundError."""
        return transfer_view(await self._rooms.pulls.progress(transfer_id))

    async def pause_transfer(self, transfer_id: str) -> TransferView:
        """Let one wait until it is resumed. Raises NotFoundError, ConflictError."""
        return transfer_view(await self._rooms.pulls.pause(transfer_id))

    async def resume_transfer(self, transfer_id: str) -> TransferView:
        """Let a paused one go on. Raises NotFoundError, ConflictError."""
        return transfer_view(await self._rooms.pulls.resume(transfer_id))

    async def cancel_transfer(self, transfer_id: str) -> TransferView:
        """End one and keep nothing of it. Raises NotFoundError, ConflictError."""
        return transfer_view(await self._rooms.pulls.cancel(transfer_id))

    async def forget_transfer(self, transfer_id: str) -> TransferView:
        """Take one that is over from the list. Raises NotFoundError, ConflictError."""
        gone = transfer_view(await self._rooms.pulls.forget(transfer_id))
        self._rooms.feed.publish(TransferForgotten(gone))
        return gone

    async def limit_transfer(self, transfer_id: str, bandwidth: int | None) -> TransferView:
        """Let one take so many bytes per second at most. Raises NotFoundError, ConflictError."""
        return transfer_view(await self._rooms.pulls.limit(transfer_id, bandwidth))

    async def prioritize_transfer(self, transfer_id: str, priority: int) -> TransferView:
        """Let one be sooner or later than others that wait. Raises NotFoundError, ConflictError."""
        return transfer_view(await self._rooms.pulls.prioritize(transfer_id, priority))

    async def bandwidth(self) -> Bandwidth:
        """Tell how fast all of them together may be."""
        limits = self._rooms.pulls.limits
        window = limits.scheduled.window
        rates = {"schedule": window.bandwidth if window else None, "limit": limits.shared.limit}
        lowest = min((rate for rate in rates.values() if rate), default=None)
        return Bandwidth(
            limit=limits.shared.limit,
            configured=self._rooms.settings.downloads.bandwidth or None,
            scheduled=rates["schedule"],
            schedule=window.text if window else None,
            sources=limits.by_source,
            holds=next((name for name, rate in rates.items() if rate and rate == lowest), None),
        )

    async def limit_transfers(self, bandwidth: int | None, source: str | None = None) -> Bandwidth:
        """Let all of them, or all from one *source*, take so many bytes per second at most, until the next start."""
        limits = self._rooms.pulls.limits
        (limits.shared if source is None else limits.source(source)).limit = bandwidth
        return await self.bandwidth()
