"""``/models`` and ``/browse``: what can be asked for, what of it lies on our disk, and what could be had."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response

from roundhouse.access.permissions import Permission
from roundhouse.api.fields import Name, Text
from roundhouse.api.guard import needs
from roundhouse.core import browse as offered
from roundhouse.core.management import BrowseDesk, ModelsDesk
from roundhouse.core.marks import MOST_TAGS, Tag
from roundhouse.core.views import Model, ModelDetail, Removal, Verification

#: Each result of a search costs the hub a question of its own, and it counts them.
_MOST_OFFERS = 50


@dataclass(frozen=True, slots=True)
class Models:
    """All models that can be asked for, by name."""

    models: Sequence[Model]


class _Lines:
    """Models as JSON, made anew only for those that are new.

    A framework that checks its own answers takes seconds over ten thousand models.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[Model, bytes]] = {}

    def join(self, models: Iterable[Model]) -> bytes:
        """All of them, with commas between."""
        known, self._known = self._known, {}
        for model in models:
            line = known.get(model.name)
            self._known[model.name] = line if line and line[0] is model else (model, msgspec.json.encode(model))
        return b",".join(line for _, line in self._known.values())


def add_models(router: APIRouter, desk: ModelsDesk) -> None:
    """Add the routes of models. Names hold ``/`` and ``:`` and stand in the path as they are."""
    lines = _Lines()

    @router.get("/api/v1/models", tags=["models"], openapi_extra=needs(Permission.MODELS_READ), response_model=Models)
    async def list_models(
        tag: Annotated[
            list[Text] | None, Query(max_length=MOST_TAGS, description="only models with all of these")
        ] = None,
    ) -> Response:
        """List all models, also those that only a remote backend has."""
        wanted = {Tag(each) for each in tag or ()}
        content = lines.join(model for model in await desk.models() if wanted <= {*model.tags})
        return Response(b'{"models":[%b]}' % content, media_type="application/json")

    @router.get("/api/v1/models/{name:path}", tags=["models"], openapi_extra=needs(Permission.MODELS_READ))
    async def show_model(name: Name) -> ModelDetail:
        """Show one model with its files and those who serve it."""
        return await desk.model(name)

    @router.delete("/api/v1/models/{name:path}", tags=["models"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def remove_model(name: Name, *, dry_run: bool = False) -> Removal:
        """Take a model out of the library; bytes that another model shares stay."""
        return await desk.remove_model(name, dry_run=dry_run)

    @router.post("/api/v1/models/{name:path}/verify", tags=["models"], openapi_extra=needs(Permission.MODELS_MANAGE))
    async def verify_model(name: Name, *, quick: bool = False) -> Verification:
        """Read every byte again, or (`quick`) look at size, header and time of change.

        Wrong bytes are an answer (`ok: false`), not an error.
        """
        return await desk.verify_model(name, quick=quick)


def add_browse(router: APIRouter, desk: BrowseDesk) -> None:
    """Add the route of browsing."""

    @router.get("/api/v1/browse", tags=["models"], openapi_extra=needs(Permission.MODELS_READ))
    async def browse(
        text: Annotated[Text | None, Query(max_length=200, description="words in the name")] = None,
        owner: Annotated[str | None, Query(max_length=96, pattern=r"^[\w.-]+$")] = None,
        sort: offered.Sort = "downloads",
        limit: Annotated[int, Query(ge=1, le=_MOST_OFFERS)] = 10,
    ) -> offered.Browsing:
        """Search the hub for models that can be pulled, and tell which variants fit this machine's memory."""
        return await desk.browse(offered.Query(text or None, owner, sort, limit))
