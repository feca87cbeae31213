"""Finding the one licence that somebody means by what they typed. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol, TypeVar

from roundhouse.core.errors import ConflictError, NotFoundError

_DIGITS = re.compile(r"[0-9a-f]{8,64}")


class Findable(Protocol):
    """What a licence may be called by."""

    @property
    def digest(self) -> str:
        """All of it, or eight digits and more."""

    @property
    def license(self) -> str | None:
        """Its id."""

    @property
    def models(self) -> tuple[str, ...]:
        """Who came under it."""


F = TypeVar("F", bound=Findable)


def find_license(key: str, known: Sequence[F]) -> F:
    """The licence of a model, of a digest, or of an id. Raises NotFoundError; ConflictError when several are meant."""
    wanted = key.strip()
    lower = wanted.lower().removeprefix("sha256:")
    found = [each for each in known if wanted in each.models]
    if not found and _DIGITS.fullmatch(lower):
        found = [each for each in known if each.digest.startswith(lower)]
    found = found or [each for each in known if each.license == lower]
    if len(found) == 1:
        return found[0]
    if not found:
        message = f"no licence is known by {key[:200]!r}"
        hint = "see which are with `roundhouse licenses ls`; one is known once a model under it was to be pulled"
        raise NotFoundError(message, hint=hint)
    choices = [each.digest[:12] for each in found]
    message = f"{key[:200]} means {len(found)} different texts"
    raise ConflictError(message, hint=f"name one of {', '.join(choices)}", details={"choices": choices})
