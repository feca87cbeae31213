"""What one model of Anthropic takes and can do: as its list tells, else as documented for its version.

Knows nothing about HTTP. By version and not by a list of names, so that a new model is right on its first day; names
that are not Claude's belong to other servers with this API, which take what the API always had.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_VERSION = re.compile(r"claude-(?:([a-z]+)-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_LEVELS = frozenset({"low", "medium", "high", "max"})
#: Lines that always think.
_ALWAYS = frozenset({"fable", "mythos"})


@dataclass(frozen=True, slots=True)
class Nature:
    """One model."""

    #: It decides itself how much it thinks, and is told how hard to try (``output_config.effort``).
    adaptive: bool = False
    #: It thinks within a budget of tokens (``thinking.budget_tokens``).
    budget: bool = False
    #: It may be told not to think.
    silent: bool = False
    efforts: frozenset[str] = frozenset()
    #: It takes ``temperature``, ``top_p`` and ``top_k``.
    samples: bool = True
    #: It holds itself to a schema (``output_config.format``, ``strict`` tools).
    schemas: bool = False
    vision: bool = False
    #: Tokens of the prompt, and tokens of the answer.
    context: int | None = None
    answer: int | None = None

    @property
    def thinks(self) -> bool:
        """Whether it thinks at all."""
        return self.adaptive or self.budget


@lru_cache(maxsize=256)
def nature_by_name(model: str) -> Nature:
    """What is documented for a model of that name."""
    if "claude" not in model:
        return Nature(budget=True)
    found = _VERSION.search(model)
    if found is None:
        # No version is a preview or an alias of the newest.
        return _newest((9, 0), "mythos")
    line, version = found[1], (int(found[2]), int(found[3] or 0))
    if version >= (4, 7):
        return _newest(version, line)
    vision, context = version >= (3, 0), 200_000 if version >= (3, 0) else None
    if version >= (4, 6):
        return Nature(
            adaptive=True, budget=True, silent=True, efforts=_LEVELS, schemas=True, vision=True, context=1_000_000,
            answer=128_000,
        )  # fmt: skip
    return Nature(
        budget=version >= (3, 7),
        schemas=version >= (4, 5),
        vision=vision,
        context=context,
        answer=_answer(line, version),
    )


def _newest(version: tuple[int, int], line: str | None) -> Nature:
    return Nature(
        adaptive=True,
        silent=version <= (5, 0) and line not in _ALWAYS,
        efforts=_LEVELS | {"xhigh"},
        samples=False,
        schemas=True,
        vision=True,
        context=1_000_000,
        answer=128_000,
    )


def _answer(line: str | None, version: tuple[int, int]) -> int:
    if version >= (3, 7):
        return 32_000 if line == "opus" and version < (4, 5) else 64_000
    return 8192 if version >= (3, 5) else 4096
