"""Where the bytes of a model that we hold can be had again. Knows nothing about what is wrong with ours.

Nothing that comes from there is believed: it must be what it was when the model came.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, Plan, PlannedFile, Stretch
from roundhouse.core.errors import NetworkError, NotFoundError, RoundhouseError, SchemaError, VerifyError
from roundhouse.core.ports import ByteStream, Source
from roundhouse.transfers import Fetcher, FetchOptions, Throttle, persist
from roundhouse.upkeep.references import addresses


@dataclass(frozen=True, slots=True)
class Supply:
    """What fetching again takes."""

    #: The source of a reference. Raises OfflineError, SchemaError.
    source_of: Callable[[str], Source]
    fetcher: Fetcher
    #: What bytes of a source have to pay.
    throttle_of: Callable[[str], Throttle]
    options: FetchOptions


class Count:
    """Bytes that came, in parts and of a whole file."""

    def __init__(self) -> None:
        self._parts = self._whole = 0

    @property
    def received(self) -> int:
        """All of them."""
        return self._parts + self._whole

    def add(self, count: int) -> None:
        """So many more."""
        self._parts += count

    def advanced(self, received: int, _journaled: int) -> None:
        """So many of the whole file."""
        self._whole = max(self._whole, received)

    def waiting(self, error: RoundhouseError, delay_s: float) -> None:
        """Nothing came."""


class Origin:
    """The source of one model; what it says about its files is asked once."""

    def __init__(self, artifact: Artifact, supply: Supply) -> None:
        self._artifact, self._supply = artifact, supply
        self._answers: dict[str, tuple[Source, Plan] | RoundhouseError] = {}

    async def fetch(self, file: ArtifactFile, stretch: Stretch, digest: Digest, count: Count) -> bytes:
        """Some bytes of *file*, which must be those of *digest*.

        Raises VerifyError when they are others by now, and what the source raises once patience has ended.
        """
        source, planned = await self._find(file)

        async def attempt() -> bytes:
            opened = source.open(planned, stretch.offset, stretch.length)
            return await self._once(opened, source.scheme, stretch, count)

        data = await persist(attempt, self._supply.options.patience)
        if (await asyncio.to_thread(hashlib.sha256, data)).hexdigest() != digest:
            raise _changed(file)
        return data

    async def fetch_whole(self, file: ArtifactFile, count: Count) -> None:
        """Bring all of *file* to its place. Raises as `fetch` does, and DiskError."""
        source, planned = await self._find(file)
        wanted = replace(planned, size=file.size, digest=file.digest)
        await self._supply.fetcher.fetch(wanted, source, count, self._supply.throttle_of(source.scheme))

    async def _once(
        self, opened: AbstractAsyncContextManager[ByteStream], scheme: str, stretch: Stretch, count: Count
    ) -> bytes:
        """One connection. Raises NetworkError when it ends early or goes silent."""
        data, stall_s = bytearray(), self._supply.options.stall_s
        silence = asyncio.timeout(stall_s)
        try:
            async with silence, opened as stream:
                before = stretch.offset - stream.offset  # a source that cannot begin in the middle sends it all
                async for piece in stream.chunks:
                    count.add(len(piece))
                    silence.reschedule(None)  # waiting for our own limit is not the source's silence
                    await self._pay(scheme, len(piece))
                    silence.reschedule(asyncio.get_running_loop().time() + stall_s)
                    data += piece[before:] if before > 0 else piece
                    before -= len(piece)
                    if len(data) >= stretch.length:
                        break
        except TimeoutError as error:
            message = f"not a byte for {stall_s:g} s"
            raise NetworkError(message) from error
        if len(data) < stretch.length:
            message = f"the connection ended after {len(data)} of {stretch.length} bytes"
            raise NetworkError(message)
        return bytes(data[: stretch.length])

    async def _pay(self, scheme: str, count: int) -> None:
        """Pay for *count* bytes, part by part."""
        throttle = self._supply.throttle_of(scheme)
        while count:
            part = min(count, throttle.grain)
            await throttle.take(part)
            count -= part

    async def _find(self, file: ArtifactFile) -> tuple[Source, PlannedFile]:
        """Who has *file*, and under what name. Raises what the source raises, VerifyError when it has others by now."""
        refusal: RoundhouseError | None = None
        for ref in addresses(self._artifact):
            answer = await self._ask(ref)
            if isinstance(answer, RoundhouseError):
                if not isinstance(answer, NotFoundError | SchemaError):
                    raise answer
                refusal = refusal or answer
                continue
            source, plan = answer
            for planned in plan.files:
                if planned.digest == file.digest or (planned.digest is None and planned.name == file.name):
                    return source, planned
        raise refusal or _changed(file)

    async def _ask(self, ref: str) -> tuple[Source, Plan] | RoundhouseError:
        if ref not in self._answers:
            try:
                source = self._supply.source_of(ref)
                plan = await persist(lambda: source.resolve(ref), self._supply.options.patience)
            except RoundhouseError as error:
                self._answers[ref] = error
            else:
                self._answers[ref] = source, plan
        return self._answers[ref]


def _changed(file: ArtifactFile) -> VerifyError:
    message = f"{file.name}: the source has other bytes by now"
    return VerifyError(message, hint="pull the model again to get what the source has now")
