"""``/route/explain``: who would serve a request, and why."""

from fastapi import APIRouter, Request

from roundhouse.access.permissions import Permission
from roundhouse.api.fields import ExplainRequest
from roundhouse.api.guard import needs
from roundhouse.core.desks.routes import Explanation, RouteQuestion
from roundhouse.core.inference import Operation
from roundhouse.core.management import RoutesDesk


def add_route(router: APIRouter, desk: RoutesDesk) -> None:
    """Add the route that explains routes."""

    @router.post("/api/v1/route/explain", tags=["route"], openapi_extra=needs(Permission.INFER))
    async def explain(question: ExplainRequest, request: Request) -> Explanation:
        """Choose a route without serving. That none is possible is an answer (`error`), not an error."""
        size = len(await request.body())
        return await desk.explain(question_of(question, size))


#: Fields that tell what is asked, the most telling first.
_TELLING = {
    "messages": Operation.CHAT,
    "input": Operation.EMBEDDING,
    "prompt": Operation.COMPLETION,
    "documents": Operation.RERANK,
}


def question_of(request: ExplainRequest, size: int) -> RouteQuestion:
    """Tell from the fields that are there what kind of request this is."""
    body = {"model": request.model, **(request.model_extra or {})}
    guesses = (each for field, each in _TELLING.items() if field in body)
    operation = request.operation or next(guesses, Operation.CHAT)
    return RouteQuestion(model=request.model, operation=operation, body=body, size=size)
