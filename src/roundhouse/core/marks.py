"""What people and traffic say about a model: pinned, tags, when it was last used. Knows nothing about its bytes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self

from roundhouse.core.errors import SchemaError

_TAG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
#: So many tags one model may have: a list that people read.
MOST_TAGS = 32


class Tag(str):
    """A word that people put on models to find them again.

    Raises:
        SchemaError: it is no such word.

    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """Accept letters of either case; a tag is lower case."""
        text = value.strip().lower()
        if not _TAG.fullmatch(text):
            message = f"not a tag: {value[:80]!r}"
            raise SchemaError(message, hint="a tag has letters, digits, dots, dashes and underscores, 64 at most")
        return super().__new__(cls, text)


@dataclass(frozen=True, slots=True)
class Mark:
    """What is said about one model."""

    #: Somebody wants it to stay: cleaning up never takes it.
    pinned: bool = False
    #: By name.
    tags: tuple[Tag, ...] = ()
    #: When it last answered a request; ``None`` when it never did.
    last_used_at: datetime | None = None
    times_used: int = 0


#: About a model of which nobody has said anything.
UNMARKED = Mark()


@dataclass(frozen=True, slots=True)
class Use:
    """That a model answered requests, and when the last of them."""

    model: str
    at: datetime
    times: int = 1


class Marks(Protocol):
    """What is said about models, kept. Names need not be known to the library: traffic also goes elsewhere."""

    async def all(self) -> Mapping[str, Mark]:
        """Everything that is said, by model."""

    async def pin(self, model: str, *, pinned: bool) -> None:
        """Say whether it must stay."""

    async def tag(self, model: str, add: Collection[Tag], remove: Collection[Tag]) -> None:
        """Put tags on it and take others off; what is so already is no error."""

    async def add_uses(self, uses: Sequence[Use]) -> None:
        """Count what has been used since the last time, all of it or nothing."""

    async def forget(self, model: str) -> None:
        """Say nothing about it any more."""
