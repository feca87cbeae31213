"""Which older revisions of a model are kept, and which one somebody means. Pure; knows nothing about bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from roundhouse.core.artifacts import Artifact, Older
from roundhouse.core.errors import ConflictError, NotFoundError

_SHORTEST = 4


def kept_beside(
    new: Artifact, before: Artifact | None, older: Sequence[Older], *, keep: int, now: datetime
) -> tuple[Older, ...]:
    """What is kept beside *new* when it takes the place of *before*: *keep* of them, those that served last.

    The same bytes are the same revision, whatever it is called upstream.
    """
    left = [] if before is None else [Older(before, now)]
    others = sorted(older, key=lambda each: each.served_until, reverse=True)
    return tuple(each for each in (*left, *others) if each.artifact.key != new.key)[:keep]


def chosen(now: Artifact, older: Sequence[Older], wanted: str | None) -> Artifact:
    """The revision to go back to: the newest that came before *now*, or the one that begins with *wanted*.

    Raises NotFoundError; ConflictError when several begin so.
    """
    if wanted is None:
        before = [each.artifact for each in older if each.artifact.created_at < now.created_at]
        if not before:
            message = f"no older revision of {now.model} is here"
            raise NotFoundError(message, hint=_hint(now, older))
        return max(before, key=lambda artifact: artifact.created_at)
    fitting = [each.artifact for each in older if _is_meant(each.artifact, wanted)]
    if len(fitting) > 1:
        message = f"several revisions of {now.model} begin with {wanted[:80]}"
        raise ConflictError(message, hint=_hint(now, older))
    if not fitting:
        message = f"no other revision of {now.model} that is here begins with {wanted[:80]}"
        raise NotFoundError(message, hint=_hint(now, older))
    return fitting[0]


def _is_meant(artifact: Artifact, wanted: str) -> bool:
    names = (artifact.key, artifact.revision, artifact.revision.partition(":")[2])
    return wanted in names or (len(wanted) >= _SHORTEST and any(name.startswith(wanted) for name in names))


def _hint(now: Artifact, older: Sequence[Older]) -> str:
    if not older:
        return "`roundhouse models update` leaves the one before in place, as many as `library.keep_revisions` says"
    return f"there is {', '.join(each.artifact.key for each in older)}: `roundhouse models rollback {now.model} --to …`"
