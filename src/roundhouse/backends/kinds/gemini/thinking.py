"""How long a model is to think, in the words that it takes: a level, or a number of tokens. Pure.

The table is that of Google's own OpenAI dialect. Thinking can only be switched off in some of the models of 2.5; the
others think as little as they can instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from roundhouse.core.errors import SchemaError

_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
_FIRST_WITH_LEVELS = 3
_LEVELS = {"none": "minimal", "minimal": "minimal", "low": "low", "medium": "medium", "high": "high"}
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576}
_MORE = ("xhigh", "max")
#: The least that a model can think that cannot be told not to.
_LEAST = 128


class _Reasoning(msgspec.Struct):
    effort: str | None = None
    enabled: bool | None = None
    max_tokens: int | None = None
    exclude: bool = False


@dataclass(frozen=True, slots=True)
class Thinker:
    """How a model thinks."""

    #: ``None`` when nobody told: Google will refuse if it does not.
    thinks: bool | None = None
    #: Whether it takes levels; older ones take a number of tokens.
    has_levels: bool = True
    #: Whether it is one of those that think in any case, and not at the lowest level.
    is_pro: bool = False

    @classmethod
    def named(cls, model: str, *, thinks: bool | None = None) -> Thinker:
        """What the name of a model tells; one without a number is the newest."""
        version = _VERSION.search(model)
        return cls(
            thinks=False if "gemma" in model else thinks,
            has_levels=version is None or int(version[1]) >= _FIRST_WITH_LEVELS,
            is_pro="-pro" in model,
        )


def thinking_of(effort: msgspec.Raw | None, reasoning: msgspec.Raw | None, thinker: Thinker) -> object | None:
    """The ``thinkingConfig`` for what a client said; ``None`` when it said nothing, or the model does not think."""
    said = _Reasoning() if reasoning is None else msgspec.json.decode(reasoning, type=_Reasoning)
    word = said.effort if effort is None else msgspec.json.decode(effort, type=str)
    if word is None and said.enabled is False:
        word = "none"
    if thinker.thinks is False or (word is None and said.max_tokens is None and said.enabled is None):
        return None
    config: dict[str, object] = {"includeThoughts": True} if word != "none" and not said.exclude else {}
    if said.max_tokens is not None:
        return {**config, "thinkingBudget": said.max_tokens}
    return config if word is None else {**config, **_amount(word, thinker)}


def _amount(word: str, thinker: Thinker) -> dict[str, object]:
    name = "high" if word in _MORE else word
    if name not in _LEVELS:
        message = f"reasoning_effort is {word!r}, which Gemini has no word for"
        raise SchemaError(message, hint=f"there is {', '.join(_LEVELS)}")
    if not thinker.has_levels:
        budget = _BUDGETS[name]
        return {"thinkingBudget": _LEAST if thinker.is_pro and budget == 0 else budget}
    level = _LEVELS[name]
    return {"thinkingLevel": "low" if thinker.is_pro and level == "minimal" else level}
