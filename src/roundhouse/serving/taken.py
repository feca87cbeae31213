"""The routes taken lately, by request, for people who ask why. Bounded; knows nothing of what came of them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from roundhouse.core.inference import Profile
from roundhouse.routing.route import Route

#: Pages show the last 50 requests; more is for whoever follows a header's route id.
_MOST = 256


@dataclass(frozen=True, slots=True)
class Decision:
    """What was asked, and what was decided."""

    profile: Profile
    route: Route


class Taken:
    """The last decisions."""

    __slots__ = ("_decisions", "_most")

    def __init__(self, most: int = _MOST) -> None:
        self._decisions: OrderedDict[str, Decision] = OrderedDict()
        self._most = most

    def add(self, route_id: str, profile: Profile, route: Route) -> None:
        """Remember one, and forget the oldest when there are too many."""
        self._decisions[route_id] = Decision(profile, route)
        if len(self._decisions) > self._most:
            self._decisions.popitem(last=False)

    def get(self, route_id: str) -> Decision | None:
        """The decision for one request, while it is remembered."""
        return self._decisions.get(route_id)
