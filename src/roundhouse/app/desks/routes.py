"""Why a request goes where it goes, for the API and the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import uuid4

from roundhouse.app.desks import views
from roundhouse.app.rooms import Rooms
from roundhouse.core.desks.routes import Explanation, RouteQuestion
from roundhouse.routing.profile import profile_of


class Routes:
    """Choosing without serving, and what was chosen lately."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def explain(self, question: RouteQuestion) -> Explanation:
        """Choose without serving; an unknown model or an empty route is in the answer's error."""
        profile = profile_of(question.operation, question.model, question.body, question.size)
        return views.explanation(
            uuid4().hex, profile, self._rooms.serving.explain(profile), self._rooms.fleet.snapshot()
        )

    async def routes(self, ids: Sequence[str]) -> Mapping[str, Explanation]:
        """Recall the routes taken by these requests, as far as they are still remembered."""
        taken = self._rooms.serving.taken
        known = {route_id: taken.get(route_id) for route_id in ids}
        return {
            route_id: views.explanation(route_id, decision.profile, decision.route, self._rooms.fleet.snapshot())
            for route_id, decision in known.items()
            if decision is not None
        }
