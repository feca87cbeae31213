"""Marks that are forgotten at the end: the port `Marks` in a dictionary."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from roundhouse.core.marks import UNMARKED, Mark, Tag, Use


class MemoryMarks:
    """What is said about models."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark] = {}

    async def all(self) -> Mapping[str, Mark]:
        """Everything that is said, by model."""
        return dict(self._marks)

    async def pin(self, model: str, *, pinned: bool) -> None:
        """Say whether it must stay."""
        self._marks[model] = replace(self._marks.get(model, UNMARKED), pinned=pinned)

    async def tag(self, model: str, add: Collection[Tag], remove: Collection[Tag]) -> None:
        """Put tags on it and take others off."""
        known = self._marks.get(model, UNMARKED)
        self._marks[model] = replace(known, tags=tuple(sorted({*known.tags, *add} - {*remove})))

    async def add_uses(self, uses: Sequence[Use]) -> None:
        """Count what has been used since the last time."""
        for use in uses:
            known = self._marks.get(use.model, UNMARKED)
            latest = max(use.at, known.last_used_at or use.at)
            self._marks[use.model] = replace(known, last_used_at=latest, times_used=known.times_used + use.times)

    async def forget(self, model: str) -> None:
        """Say nothing about it any more."""
        self._marks.pop(model, None)
