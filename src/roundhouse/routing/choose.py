"""Choosing: who may serve a request, in which order, and why the others may not. No I/O, no clock, no log.

Hard constraints refuse (capability, context, rate limit, breaker); one balanced score orders the rest, within the
places of an ordered alias. What was never tried has no standing, so its order is known beforehand: ``choose`` scores
what has one, adds the best of the others, and finds the same head that ``explain`` finds by looking at everything.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import replace
from operator import attrgetter

from roundhouse.core.desks.instead import refusal
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Profile
from roundhouse.routing.refusing import (
    cooling,
    fits,
    misfit,
    no_route,
    only_held,
    rate_limited,
    shut,
    tight,
    unknown_model,
    unlicensed,
)
from roundhouse.routing.route import Candidate, Refusal, Route
from roundhouse.routing.scoring import Lively, Standing, Values, lively_values
from roundhouse.routing.snapshot import Entry, Place, Snapshot

#: What sorts a candidate within its place (tight, minus score, rank), then what it is made of; ranks differ.
_Row = tuple[bool, float, int, Entry, Values]

#: Up to here, looking at all of them costs nothing to speak of, and leaves a reason for each.
_FEW = 16
#: Where fewer than one in so many has been tried, looking for those is quicker than going through all.
_MANY = 8


def choose(profile: Profile, snapshot: Snapshot, standings: Mapping[str, Standing], now: float) -> Route:
    """Who is tried for *profile*, best first, as many as there may be attempts.

    Raises:
        NotFoundError: nobody knows the model.
        OfflineError: it is somewhere else, and nothing may leave this machine.
        NoRouteError: no deployment can serve this request; its details say why each cannot.
        LimitError: those that could are rate limited; ``retry_after_s`` says for how long.

    """
    wanted = snapshot.policy.max_attempts
    places = snapshot.resolve(profile.model) or ()
    if sum(len(place.entries) for place in places) > _FEW:
        chooser = _Chooser(profile, snapshot, standings, now)
        head: list[Candidate] = []
        for number, place in enumerate(places):
            if len(head) < wanted and not place.spare:
                head += chooser.best(place, number, wanted - len(head))
        if head:
            return Route(tuple(head), weights=snapshot.weights)
    route = explain(profile, snapshot, standings, now)
    if route.error:
        raise route.error
    return route if len(route.candidates) <= wanted else replace(route, candidates=route.candidates[:wanted])


def explain(profile: Profile, snapshot: Snapshot, standings: Mapping[str, Standing], now: float) -> Route:
    """All that *profile*'s model stands for: those that may serve in order, the others with a reason each."""
    places = snapshot.resolve(profile.model)
    if places is None:
        error = _unknown(profile.model, snapshot)
        return Route(error=error, weights=snapshot.weights)
    chooser = _Chooser(profile, snapshot, standings, now)
    for number, place in enumerate(places):
        chooser.sort_out(place, number)
    return chooser.route()


def _unknown(name: str, snapshot: Snapshot) -> RoundhouseError:
    """Why *name* stands for nothing."""
    elsewhere = snapshot.policy.elsewhere
    if elsewhere and (name in elsewhere or f"{name.partition('/')[0]}/" in elsewhere):
        return refusal(name[:200], sorted({entry.deployment.model for entry in snapshot.entries.values()}))
    kind = snapshot.held.get(name)
    return unknown_model(name, snapshot.close_to(name)) if kind is None else only_held(name, kind)


_rank = attrgetter("rank")


class _Chooser:
    """One decision being made."""

    __slots__ = (
        "_barred",
        "_candidates",
        "_cooling_s",
        "_now",
        "_profile",
        "_refused",
        "_shut",
        "_standings",
        "_weights",
    )

    def __init__(self, profile: Profile, snapshot: Snapshot, standings: Mapping[str, Standing], now: float) -> None:
        self._profile = profile
        self._standings = standings
        self._now = now
        self._weights = snapshot.weights
        self._candidates: list[Candidate] = []
        #: Those that only a breaker is against.
        self._shut: list[Candidate] = []
        self._refused: list[Refusal] = []
        self._cooling_s: list[float] = []
        #: Those that only their licence is against, with the reason.
        self._barred: list[tuple[str, str]] = []

    def best(self, place: Place, number: int, wanted: int) -> list[Candidate]:
        """The *wanted* best of *place*."""
        few = len(self._standings) * _MANY < len(place.entries)
        rows = sorted(self._untried(place.entries, wanted))[:wanted] if few else []
        for entry in self._tried(place) if few else place.entries:
            full = len(rows) == wanted and not rows[-1][0]
            if full and self._most(entry) < -rows[-1][1]:
                break
            if not fits(self._profile, entry.deployment):
                continue
            standing = self._standings.get(entry.id)
            lively = lively_values(standing, self._now)
            worse = full and self._score(entry, lively) < -rows[-1][1]
            if not worse and (standing is None or standing.is_free(self._now)):
                insort(rows, self._row(entry, lively))
                del rows[wanted:]
        return [_candidate(row, number) for row in rows]

    def sort_out(self, place: Place, number: int) -> None:
        """Put each deployment of *place* with those that may serve, or with the others."""
        if place.spare and (self._candidates or self._shut or self._cooling_s):
            self._refused += [Refusal(entry.id, "is kept for when nothing else fits") for entry in place.entries]
            return
        rows: list[_Row] = []
        shut_rows: list[_Row] = []
        for entry in place.entries:
            reason = self._hindrance(entry)
            if reason:
                self._refused.append(Refusal(entry.id, reason))
            else:
                row = self._row(entry, lively_values(self._standings.get(entry.id), self._now))
                (shut_rows if self._open_s(entry.id) else rows).append(row)
        self._candidates += [_candidate(row, number) for row in sorted(rows)]
        self._shut += [_candidate(row, number) for row in sorted(shut_rows)]

    def route(self) -> Route:
        """The decision."""
        if self._candidates:
            refused = [Refusal(each.id, shut(self._open_s(each.id))) for each in self._shut]
            return Route(tuple(self._candidates), (*self._refused, *refused), weights=self._weights)
        error: RoundhouseError | None = None
        if not self._shut and self._cooling_s:
            error = rate_limited(self._profile.model, min(self._cooling_s))
        elif self._barred and len(self._barred) == len(self._refused):
            error = unlicensed(*self._barred[0])
        elif not self._shut:
            error = no_route(self._profile.model, [(each.id, each.reason) for each in self._refused])
        # Never all: when breakers are against everything that is left, one of them may well be wrong.
        return Route(tuple(self._shut), tuple(self._refused), bool(self._shut), error, self._weights)

    def _untried(self, entries: Iterable[Entry], wanted: int) -> list[_Row]:
        """At least the *wanted* best of those without a standing; they come in order, but for the tight ones."""
        roomy: list[_Row] = []
        tight: list[_Row] = []
        for entry in entries:
            if entry.id in self._standings or not fits(self._profile, entry.deployment):
                continue
            row = self._row(entry, lively_values(None, self._now))
            if not row[0]:
                roomy.append(row)
                if len(roomy) == wanted:
                    return roomy
            elif len(tight) < wanted:
                tight.append(row)
        return roomy + tight

    def _tried(self, place: Place) -> list[Entry]:
        """Those with a standing, in order of what is known beforehand."""
        return sorted((place.by_id[each] for each in self._standings.keys() & place.by_id.keys()), key=_rank)

    def _most(self, entry: Entry) -> float:
        """The best score that *entry* could have, added up in the same order as its score."""
        return entry.points + self._weights.errors + self._weights.latency + self._weights.load

    def _hindrance(self, entry: Entry) -> str | None:
        """What is against *entry*, apart from breakers."""
        if not fits(self._profile, entry.deployment):
            if entry.deployment.barred is not None:
                self._barred.append((entry.deployment.model, entry.deployment.barred))
            return misfit(self._profile, entry.deployment)
        standing = self._standings.get(entry.id)
        seconds = standing.cooling_s(self._now) if standing else 0.0
        if not seconds:
            return None
        self._cooling_s.append(seconds)
        return cooling(seconds)

    def _open_s(self, deployment_id: str) -> float:
        standing = self._standings.get(deployment_id)
        return standing.open_s(self._now) if standing else 0.0

    def _score(self, entry: Entry, lively: Lively) -> float:
        errors, latency, load = lively
        weights = self._weights
        return entry.points + weights.errors * errors + weights.latency * latency + weights.load * load

    def _row(self, entry: Entry, lively: Lively) -> _Row:
        errors, latency, load = lively
        values = Values(errors, entry.residency, latency, entry.price, load)
        return tight(self._profile, entry.deployment), -self._score(entry, lively), entry.rank, entry, values


def _candidate(row: _Row, number: int) -> Candidate:
    is_tight, negative_score, _, entry, values = row
    return Candidate(entry.id, entry.deployment, -negative_score, values, number, is_tight)
