"""How quick a deployment is when it is well: what it is compared with later. Knows nothing about who measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

#: Prompts beyond so many doublings, and crowds, are of one kind.
_LONGEST, _LARGEST = 9, 6
#: Prompts below 32 tokens are of one kind.
_SHORT = 5


@dataclass(frozen=True, slots=True)
class Pace:
    """How quick calls of one kind are."""

    tokens_per_s: float
    first_token_ms: float


@dataclass(frozen=True, slots=True)
class Baseline:
    """How quick one deployment is when it is well."""

    backend: str
    model: str
    at: datetime
    #: ``test`` when somebody had it measured, ``calls`` when it was learned.
    by: Literal["test", "calls"]
    #: By kind of call, see `kind_of`.
    kinds: Mapping[str, Pace]

    @property
    def id(self) -> str:
        """The deployment's."""
        return f"{self.backend}/{self.model}"


class BaselinesStore(Protocol):
    """Where baselines are kept."""

    async def put(self, baselines: Sequence[Baseline]) -> None:
        """Keep them, each in place of the one before."""

    async def all(self) -> Sequence[Baseline]:
        """All of them, by deployment; the newest where there are too many."""


def kind_of(prompt_tokens: int, beside: int) -> str:
    """Calls that are as quick as each other on one machine: by tokens to read, and by calls *beside* this one.

    A long prompt takes long to its first token, and sixteen at a time are slower each than one: neither is an illness.
    Steps are fourfold for prompts and twofold for crowds.
    """
    length = min(_LONGEST, max(0, max(0, prompt_tokens).bit_length() - _SHORT + 1) // 2)
    return f"{length}.{min(_LARGEST, max(0, beside).bit_length())}"
