"""Adding and removing backends; weights in and out of memory.

What a body may say is less than what ``roundhouse.toml`` may: nothing here starts a program or reads a file.
"""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from roundhouse.access.permissions import Permission
from roundhouse.api.fields import Name, Text
from roundhouse.api.guard import needs
from roundhouse.core.desks.roster import InMemory, Retired, RosterDesk
from roundhouse.core.views import BackendStatus

#: Only variables that are meant for such keys: no caller gets to send others of ours to an address of theirs.
_KEY = r"^[A-Z][A-Z0-9_]{0,100}_API_KEY(_[0-9]{1,2})?$"
_Variable = Annotated[str, Field(pattern=_KEY)]
_Price = Annotated[float, Field(ge=0, le=1e6, description="USD per million tokens")]


class BackendRequest(BaseModel):
    """A backend to take in; a runtime that was found on this machine needs its name only."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Text = Field(min_length=1, max_length=63, pattern=r"^[a-z0-9][a-z0-9_-]*$")
    kind: Text | None = Field(default=None, min_length=1, max_length=63, description="what it speaks")
    url: Text | None = Field(default=None, min_length=1, max_length=2048)
    api_key_env: _Variable | None = Field(
        default=None,
        description="variable that holds its key, where the server runs; its name ends with `_API_KEY`",
    )
    api_keys_env: list[_Variable] = Field(default=[], max_length=16, description="variables with further keys")
    models: list[Text] = Field(default=[], max_length=1000, description="models to use; empty is all that it lists")
    price_in: _Price | None = None
    price_out: _Price | None = None
    max_concurrent: int | None = Field(default=None, ge=0, le=100_000, description="requests at a time; 0 is no limit")


class LoadRequest(BaseModel):
    """How to hold a model in memory."""

    model_config = ConfigDict(extra="forbid", strict=True)

    context: int | None = Field(default=None, ge=1, le=10_000_000, description="tokens that fit")
    keep_s: float | None = Field(default=None, ge=0, le=1e7, description="seconds of idleness until it is let go")


class Unloaded(BaseModel):
    """What was let go of."""

    unloaded: list[InMemory]
    object: Literal["list"] = "list"


_AS_IT_IS = LoadRequest()


def add_roster(router: APIRouter, desk: RosterDesk) -> None:
    """Add the routes of adding, removing, loading and unloading."""

    @router.post(
        "/api/v1/backends", tags=["backends"], status_code=201, openapi_extra=needs(Permission.BACKENDS_MANAGE)
    )
    async def add_backend(request: BackendRequest) -> BackendStatus:
        """Take a backend in, at once and for good. One that does not answer yet is taken in all the same."""
        section = request.model_dump(exclude_none=True, exclude_defaults=True, exclude={"name"})
        return await desk.add_backend(request.name, section)

    @router.delete("/api/v1/backends/{name}", tags=["backends"], openapi_extra=needs(Permission.BACKENDS_MANAGE))
    async def remove_backend(name: Name) -> Retired:
        """Let go of a backend that was added here; what it is answering is answered."""
        return await desk.remove_backend(name)

    @router.post("/api/v1/models/{name:path}/load", tags=["models"], openapi_extra=needs(Permission.BACKENDS_MANAGE))
    async def load_model(name: Name, request: LoadRequest = _AS_IT_IS) -> InMemory:
        """Bring a model into memory; returns when it is there."""
        return await desk.load_model(name, context=request.context, keep_s=request.keep_s)

    @router.post("/api/v1/models/{name:path}/unload", tags=["models"], openapi_extra=needs(Permission.BACKENDS_MANAGE))
    async def unload_model(name: Name) -> Unloaded:
        """Let go of a model's weights, wherever they are in memory."""
        return Unloaded(unloaded=list(await desk.unload_model(name)))
