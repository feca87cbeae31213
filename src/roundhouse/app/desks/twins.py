"""What is the same as a model, and why, for the API and the pages. Pure translation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal

from roundhouse.core.desks.same import Twin
from roundhouse.core.inference import Deployment
from roundhouse.routing.identity import Evidence, Weights
from roundhouse.routing.identity.groups import why_not
from roundhouse.routing.joining import hindrance
from roundhouse.routing.snapshot import Snapshot

#: More than anybody has of one model; a runtime that makes names up must not make lists without end.
_MOST = 200


def twins(snapshot: Snapshot, name: str, own: Sequence[Deployment]) -> tuple[Twin, ...]:
    """Those that have the weights of *name*, then those of its model that have not; its *own* only when they differ."""
    known = [each for each in own if each.id in snapshot.same.of]
    if not known:
        return ()
    anchor = min(known, key=lambda each: each.id)
    group = snapshot.same.of[anchor.id]
    serving = {entry.id for place in snapshot.resolve(name) or () for entry in place.entries}
    return (
        *islice(_same(snapshot, group, own, anchor, serving), _MOST),
        *islice(_others(snapshot, group, anchor, serving), _MOST),
    )


def _same(
    snapshot: Snapshot, group: Weights, own: Sequence[Deployment], anchor: Deployment, serving: set[str]
) -> Iterator[Twin]:
    ids = {each.id for each in own}
    for each in group.members:
        entry = snapshot.entries.get(each.id)
        if entry is None or each.id in ids:
            continue
        serves = each.id in serving
        reason = None if serves else hindrance(own, entry.deployment, snapshot.same)
        yield _twin(each, "weights", group.why(anchor.id, each.id), serves=serves, hindrance=reason)


def _others(snapshot: Snapshot, group: Weights, anchor: Deployment, serving: set[str]) -> Iterator[Twin]:
    of_anchor = next(each for each in group.members if each.id == anchor.id)
    for other in snapshot.same.relatives(anchor.id):
        for each in other.members:
            if each.id in snapshot.entries:
                yield _twin(each, "model", why_not(of_anchor, each), serves=each.id in serving)


def _twin(
    of: Evidence, same: Literal["weights", "model"], why: str, *, serves: bool, hindrance: str | None = None
) -> Twin:
    return Twin(
        id=of.id,
        quantization=of.quantization,
        parameters=of.parameters,
        same=same,
        why=why,
        serves=serves,
        hindrance=hindrance,
    )
