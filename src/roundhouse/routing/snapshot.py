"""All deployments at one moment, indexed by every name that stands for some of them. Knows nothing about requests.

Immutable: events build a new one. Everything about a deployment that does not change between requests is worked
out here, and its order with it, so that a choice among thousands looks at a few.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter

from roundhouse.core.inference import Deployment
from roundhouse.routing.identity import Grouped
from roundhouse.routing.joining import joined
from roundhouse.routing.policy import Policy, Weights
from roundhouse.routing.scoring import blended, price_value, residency_value

#: The alias that stands for any deployment that fits.
AUTO = "auto"
_rank = attrgetter("rank")
#: Names compared at most when somebody asks for one that does not exist; it happens while a request waits.
_MOST_COMPARED = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A deployment with what is known about it beforehand."""

    id: str
    deployment: Deployment
    residency: float
    price: float
    #: The weighted sum of both.
    points: float
    #: Its place in the order of all entries by *points*, price and id; settles equal scores.
    rank: int


@dataclass(frozen=True, slots=True)
class Place:
    """Deployments that one score may order: best first, by what is known beforehand."""

    entries: tuple[Entry, ...]
    by_id: Mapping[str, Entry]
    #: Only for when no deployment of an earlier place fits, not for when one of them fails.
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All deployments, by name."""

    policy: Policy
    #: The policy's, adding up to 1.
    weights: Weights
    #: What every name but an id stands for: places in order of preference.
    names: Mapping[str, tuple[Place, ...]]
    entries: Mapping[str, Entry]
    #: Models that are here and served by nobody, because of their format.
    held: Mapping[str, str] = field(default_factory=dict)
    #: Who has the same weights.
    same: Grouped = field(default_factory=Grouped)
    #: By name: those that serve it though they are called otherwise, with whose weights they have.
    joins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        deployments: Iterable[Deployment],
        aliases: Mapping[str, Sequence[str]] | None = None,
        policy: Policy | None = None,
        held: Mapping[str, str] | None = None,
        same: Grouped | None = None,
    ) -> Snapshot:
        """Index *deployments*; each of *aliases* is an ordered list of models or deployment ids.

        A model stands for all deployments that have the *same* weights, as far as `joining` lets them.
        """
        policy, same = policy or Policy(), same or Grouped()
        weights = policy.weights.shares()
        entries = {entry.id: entry for entry in _ranked(deployments, weights)}
        models = _by_model(entries.values())
        joins = joined({model: [each.deployment for each in members] for model, members in models.items()}, same)
        places = {model: (_place(_widened(own, joins.get(model, {}), entries)),) for model, own in models.items()}
        names = {AUTO: _auto(entries.values(), policy.auto_last)}
        bare = _untagged(models)
        names |= {name: places[model] for name, model in bare.items()} | places
        all_joins: dict[str, Mapping[str, str]] = {name: joins.get(model, {}) for name, model in bare.items()}
        all_joins |= {model: joins.get(model, {}) for model in models}
        for alias, targets in (aliases or {}).items():
            names[alias], all_joins[alias] = _ordered(targets, models, entries, joins)
        return cls(policy, weights, names, entries, held or {}, same, all_joins)

    def whose(self, name: str, deployment_id: str) -> str | None:
        """Why a deployment answers for *name*, which is not its own; ``None`` when it is, or when it does not."""
        anchor = self.joins.get(name, {}).get(deployment_id)
        if anchor is None or anchor not in self.entries or anchor not in self.same.of:
            return None
        model = self.entries[anchor].deployment.model
        return f"same weights as {model}: {self.same.of[anchor].why(anchor, deployment_id)}"

    def resolve(self, name: str) -> tuple[Place, ...] | None:
        """The deployments that *name* stands for: an alias, a model, or ``backend/model``; ``None`` if nothing."""
        places = self.names.get(name)
        if places is None:
            entry = self.entries.get(name)
            return None if entry is None else (_place([entry]),)
        return places

    def close_to(self, name: str) -> list[str]:
        """Up to three names that *name* may have been meant to be."""
        wanted = name[:200].casefold()
        known = list(self.names)
        inside = [each for each in known if wanted in each.casefold()]
        return sorted(inside)[:3] or difflib.get_close_matches(name[:200], known[:_MOST_COMPARED], n=3, cutoff=0.5)


def _ranked(deployments: Iterable[Deployment], weights: Weights) -> Iterator[Entry]:
    rows = []
    for each in deployments:
        residency, price = residency_value(each.residency), price_value(each.price)
        points = weights.residency * residency + weights.price * price
        # Two prices may round to one score; the lower one still comes first, and an unknown one last.
        usd = math.inf if each.price is None else blended(each.price)
        rows.append((-points, usd, each.id, residency, price, each))
    rows.sort(key=itemgetter(0, 1, 2))
    for rank, (negative_points, _, name, residency, price, each) in enumerate(rows):
        yield Entry(name, each, residency, price, -negative_points, rank)


def _place(entries: Iterable[Entry], *, spare: bool = False) -> Place:
    members = tuple(entries)
    return Place(members, {entry.id: entry for entry in members}, spare)


def _by_model(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    models: dict[str, list[Entry]] = {}
    for entry in entries:
        models.setdefault(entry.deployment.model, []).append(entry)
    return models


def _auto(entries: Iterable[Entry], last: frozenset[str]) -> tuple[Place, ...]:
    """Everything in one place, and in a spare one what is only there so that there is something."""
    proper = [entry for entry in entries if entry.deployment.model not in last]
    spare = [entry for entry in entries if entry.deployment.model in last]
    if not proper or not spare:
        return (_place(proper or spare),)
    return (_place(proper), _place(spare, spare=True))


def _widened(own: Iterable[Entry], joins: Mapping[str, str], entries: Mapping[str, Entry]) -> list[Entry]:
    """Those of a name and those that join them, in the order of all."""
    return sorted([*own, *(entries[each] for each in joins)], key=_rank) if joins else list(own)


def _untagged(models: Iterable[str]) -> dict[str, str]:
    """``owner/repo`` for ``owner/repo:TAG``, where that is the only tag there is."""
    tagged: dict[str, list[str]] = {}
    for model in models:
        bare, colon, tag = model.rpartition(":")
        if colon and bare and "/" not in tag:
            tagged.setdefault(bare, []).append(model)
    return {bare: full[0] for bare, full in tagged.items() if len(full) == 1}


def _ordered(
    targets: Sequence[str],
    models: Mapping[str, list[Entry]],
    entries: Mapping[str, Entry],
    joins: Mapping[str, Mapping[str, str]],
) -> tuple[tuple[Place, ...], Mapping[str, str]]:
    """One place per target that exists, and who joins; a deployment stays at its first, or where it is named."""
    own = {
        target: models.get(target) or [entries[target]] for target in targets if target in models or target in entries
    }
    named = {entry.id for found in own.values() for entry in found}
    seen: set[str] = set()
    places, joining = [], dict[str, str]()
    for target, found in own.items():
        others = {each: anchor for each, anchor in joins.get(target, {}).items() if each not in named}
        fresh = [entry for entry in _widened(found, others, entries) if entry.id not in seen]
        seen.update(entry.id for entry in fresh)
        joining = others | joining
        if fresh:
            places.append(_place(fresh))
    return tuple(places), joining
