"""Models that could be had from elsewhere: what is asked, and what is offered.

Knows nothing about hubs. Field names are the keys of the JSON under ``/api/v1/browse``. No postponed
annotations: pydantic reads these types to make the schema.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from roundhouse.core.desks.placing import MemoryNeed

Sort = Literal["downloads", "likes", "updated", "created", "trending"]


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody looks for."""

    text: str | None = None
    owner: str | None = None
    #: Always the most, or the latest, first.
    sort: Sort = "downloads"
    limit: int = 10


@dataclass(frozen=True, slots=True)
class OfferedVariant:
    """One way to have a model: a quantisation."""

    quantization: str | None
    #: What to pull to get exactly this one.
    ref: str
    #: Bytes of all its files; ``None`` when the source does not tell.
    size: int | None
    #: Bytes of memory that it takes once loaded, estimated.
    need: int | None
    #: Whether the models of this machine may take so much.
    fits: bool | None


@dataclass(frozen=True, slots=True)
class Offer:
    """One model, with all its variants from small to large."""

    name: str
    ref: str
    license: str | None
    #: Its owner decides who may have it.
    gated: bool
    downloads: int | None
    likes: int | None
    updated_at: datetime | None
    #: Tokens that it was trained on.
    context: int | None
    #: The reference of the variant that a pull of *ref* would take; ``None`` when it could not choose.
    suggested: str | None
    variants: tuple[OfferedVariant, ...]


@dataclass(frozen=True, slots=True)
class Browsing:
    """What was found, and the memory that it was held against."""

    hub: str
    #: Bytes that models may take on this machine.
    memory: int
    offers: tuple[Offer, ...]


def no_need(_name: str) -> None:
    """Nothing is served here."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What models may take on this machine, and the rule that says how much one would."""

    limit: int
    #: From the bytes of its files and the tokens that it was trained on, if known.
    need_of: Callable[[int, int | None], int]
    #: What a model of the library takes, by its name; ``None`` when it is not served here.
    of_model: Callable[[str], MemoryNeed | None] = no_need
