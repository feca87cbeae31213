"""Who may answer for a model that they call by another name: the rules, beyond having the same weights. Pure.

A request never leaves this machine because of evidence: only what runs here joins by itself, and what runs elsewhere
where the owner says so. What its licence bars neither joins nor is answered for by others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from roundhouse.core.inference import Deployment
from roundhouse.routing.identity import Grouped, Weights

#: Names of one group beyond which none of them is joined: nobody has so many, and each costs a list of all the others.
_MOST_NAMES = 16


def joined(models: Mapping[str, Sequence[Deployment]], same: Grouped) -> dict[str, dict[str, str]]:
    """By model: the ids of those that join its own deployments, each with the id of the one whose weights it has."""
    known = {each.id: each for members in models.values() for each in members}
    groups = {id(group): group for group in same.of.values()}
    ready = {number: _ready(group, known) for number, group in groups.items() if _is_shared(group)}
    joins = {}
    for model, own in models.items():
        group = _one_group(own, same)
        if group is not None and id(group) in ready and any(each.barred is None for each in own):
            found = _joiners(own, group, ready[id(group)])
            if found:
                joins[model] = found
    return joins


def hindrance(own: Sequence[Deployment], other: Deployment, same: Grouped) -> str:
    """Why *other* does not answer for a name although it has the weights of one of its *own*."""
    if other.barred is not None:
        return f"it {other.barred}"
    if all(each.barred is not None for each in own):
        return f"{own[0].model} {own[0].barred}, and nobody answers for that"
    if _one_group(own, same) is None:
        return f"{own[0].model} is the name of different weights"
    if not other.local:
        return "it is elsewhere: only `same.together` sends requests there"
    if not _is_shared(same.of[other.id]):
        return "too many names go for these weights"
    return f"{own[0].model} is an alias here, and says itself what it stands for"


def also_called(same: Grouped) -> dict[str, tuple[str, ...]]:
    """By model: its other names, as far as they are few enough to be told."""
    names: dict[str, set[str]] = {}
    for group in {id(each): each for each in same.of.values()}.values():
        called = sorted({each.name for each in group.members})
        for name in called if len(called) > 1 else ():
            names.setdefault(name, set()).update(called[: _MOST_NAMES + 1])
    return {name: tuple(sorted(others - {name}))[:_MOST_NAMES] for name, others in names.items()}


def _is_shared(group: Weights) -> bool:
    """Whether a group goes by several names, and not by too many."""
    return 1 < len({each.name for each in group.members}) <= _MOST_NAMES


def _ready(group: Weights, known: Mapping[str, Deployment]) -> list[Deployment]:
    """Those of a group that may serve at all."""
    members = (known[each] for each in group.ids if each in known)
    return [each for each in members if each.barred is None]


def _one_group(own: Iterable[Deployment], same: Grouped) -> Weights | None:
    """The group that all of one name are in; ``None`` when they differ: then nobody knows what was meant."""
    groups = {id(group): group for each in own if (group := same.of.get(each.id)) is not None}
    return next(iter(groups.values())) if len(groups) == 1 else None


def _joiners(own: Sequence[Deployment], group: Weights, ready: Iterable[Deployment]) -> dict[str, str]:
    ids = {each.id for each in own}
    anchor = min(ids)
    return {
        each.id: anchor
        for each in ready
        if each.id not in ids and (each.local or (group.declared and group.declares(ids, each.id)))
    }
