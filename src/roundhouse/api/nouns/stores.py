"""``/backends/{name}/pull|copy|models``: what other runtimes keep in stores of their own."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from roundhouse.access.permissions import Permission
from roundhouse.api.fields import Name, Text
from roundhouse.api.guard import needs
from roundhouse.core.desks.stores import Kept, StoresDesk
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.runtimes import PullStep

_MANAGE = needs(Permission.BACKENDS_MANAGE)


class PullAtRequest(BaseModel):
    """What to fetch, as the backend's own registry calls it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Text = Field(min_length=1, max_length=512)


class CopyAtRequest(PullAtRequest):
    """What to copy, and the second name."""

    name: Text = Field(min_length=1, max_length=512)


def add_stores(router: APIRouter, desk: StoresDesk) -> None:
    """Add the routes of stores."""

    @router.post("/api/v1/backends/{name}/pull", tags=["backends"], openapi_extra=_MANAGE, response_model=PullStep)
    async def pull_at(name: Name, request: PullAtRequest) -> StreamingResponse:
        """Let a backend fetch a model into its own store: lines of JSON, the last with an `error` if it failed.

        Hanging up stops it.
        """
        steps = desk.pull_at(name, request.model)
        first = await anext(steps, None)  # an error before the first step has a status of its own
        return StreamingResponse(_lines(first, steps), media_type="application/x-ndjson")

    @router.post("/api/v1/backends/{name}/copy", tags=["backends"], openapi_extra=_MANAGE)
    async def copy_at(name: Name, request: CopyAtRequest) -> Kept:
        """Let a backend give a model a second name."""
        return await desk.copy_at(name, request.model, request.name)

    @router.delete("/api/v1/backends/{name}/models/{model:path}", tags=["backends"], openapi_extra=_MANAGE)
    async def delete_at(name: Name, model: Name) -> Kept:
        """Let a backend delete a model from its own store."""
        return await desk.delete_at(name, model)


async def _lines(first: PullStep | None, steps: AsyncGenerator[PullStep, None]) -> AsyncIterator[bytes]:
    async with aclosing(steps):
        try:
            if first is not None:
                yield msgspec.json.encode(first) + b"\n"
            async for step in steps:
                yield msgspec.json.encode(step) + b"\n"
        except RoundhouseError as error:
            yield msgspec.json.encode({"error": error.to_dict()}) + b"\n"
