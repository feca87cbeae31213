"""What is to become of models that come in, next to those that are here. Pure; knows nothing about bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from roundhouse.core.artifacts import Artifact, Digest, FileName
from roundhouse.core.desks.exchange import ImportState, OnConflict
from roundhouse.core.errors import ConflictError

#: Models that one message names.
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """One model that comes in, under the name that it will have here."""

    artifact: Artifact
    state: ImportState
    reason: str | None = None

    @property
    def wanted(self) -> bool:
        """Whether it is to be registered."""
        return self.state in {"added", "replaced"}


def arrange(coming: Sequence[Artifact], here: Sequence[Artifact], on_conflict: OnConflict) -> Sequence[Verdict]:
    """Decide about each. Raises ConflictError, which names every conflict, when that is what is asked for."""
    known = {artifact.model: artifact for artifact in here}
    taken = known | {artifact.model: artifact for artifact in coming}
    clashing = [each.model for each in coming if each.model in known and not _same(each, known[each.model])]
    if clashing and on_conflict == "fail":
        named = ", ".join(clashing[:_MOST_NAMED]) + (" and others" if len(clashing) > _MOST_NAMED else "")
        message = f"here with other bytes: {named}"
        hint = "choose with --on-conflict skip, keep-both or replace"
        raise ConflictError(message, hint=hint, details={"models": clashing[:100]})
    return [_verdict(each, known, taken, on_conflict) for each in coming]


def _verdict(
    each: Artifact, known: Mapping[str, Artifact], taken: dict[str, Artifact], on_conflict: OnConflict
) -> Verdict:
    ours = known.get(each.model)
    if ours is None:
        return Verdict(each, "added")
    if _same(each, ours):
        return Verdict(each, "unchanged", "the same bytes are here")
    if on_conflict == "replace":
        return Verdict(each, "replaced", f"it took the place of the one from {ours.ref}")
    if on_conflict == "skip":
        return Verdict(each, "skipped", f"the one from {ours.ref} was kept")
    for number in count(2):
        name = f"{each.model[:190].rstrip('/:')}-{number}"
        if name not in taken:
            taken[name] = each
            return Verdict(replace(each, model=name), "added", f"{each.model} is here with other bytes")
        if name in known and _same(each, known[name]):
            return Verdict(replace(each, model=name), "unchanged", "the same bytes are here")
    raise AssertionError  # pragma: no cover - counting does not end


def _same(one: Artifact, other: Artifact) -> bool:
    return _content(one) == _content(other)


def _content(artifact: Artifact) -> tuple[tuple[FileName, Digest], ...]:
    return tuple((file.name, file.digest) for file in artifact.files)
