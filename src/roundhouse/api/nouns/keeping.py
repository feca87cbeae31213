"""``/models/…/pin`` and ``/tag``, and ``/models/gc``: what stays, and what may go."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from roundhouse.access.permissions import Permission
from roundhouse.api.fields import Name, Text
from roundhouse.api.guard import needs
from roundhouse.core.desks.keeping import Collection, CollectionWish, KeepingDesk, MarkView
from roundhouse.core.marks import MOST_TAGS

_MOST_BYTES = 1 << 60
#: A century.
_LONGEST_S = 3_155_760_000.0
_Bytes = Annotated[int, Field(ge=0, le=_MOST_BYTES)]


class TagRequest(BaseModel):
    """Which tags to put on a model and which to take off."""

    model_config = ConfigDict(extra="forbid", strict=True)

    add: list[Text] = Field(default=[], max_length=MOST_TAGS, description="lower-case words")
    remove: list[Text] = Field(default=[], max_length=MOST_TAGS)


class CollectRequest(BaseModel):
    """What cleaning up should reach; what is left out is as the settings say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    dry_run: bool = Field(default=False, description="tell what would go, and remove nothing")
    unused_for_s: float | None = Field(
        default=None, ge=0, le=_LONGEST_S, strict=False, description="models that were not used for so long go"
    )
    quota: _Bytes | None = Field(default=None, description="bytes that the library may take")
    min_free: _Bytes | None = Field(default=None, description="bytes of its disk that must be free")
    orphans_only: bool = Field(default=False, description="only what no model needs")
    include_local: bool = Field(default=False, description="also models that could not be fetched again")


_ALL = CollectRequest()


def add_keeping(router: APIRouter, desk: KeepingDesk) -> None:
    """Add the routes of marks and of cleaning up."""

    @router.post("/api/v1/models/gc", tags=["models"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def collect(request: CollectRequest = _ALL) -> Collection:
        """Remove what nobody needs and, if room is needed, models: the least worth keeping first.

        Every model is in the answer, with the reason why it goes or stays.
        """
        return await desk.collect(CollectionWish(**request.model_dump()))

    @router.post("/api/v1/models/{name:path}/pin", tags=["models"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def pin_model(name: Name) -> MarkView:
        """Let cleaning up never take a model."""
        return await desk.pin_model(name, pinned=True)

    @router.post("/api/v1/models/{name:path}/unpin", tags=["models"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def unpin_model(name: Name) -> MarkView:
        """Let cleaning up take a model again."""
        return await desk.pin_model(name, pinned=False)

    @router.post("/api/v1/models/{name:path}/tag", tags=["models"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def tag_model(name: Name, request: TagRequest) -> MarkView:
        """Put tags on a model and take others off; one that is in both is put on."""
        return await desk.tag_model(name, request.add, request.remove)
