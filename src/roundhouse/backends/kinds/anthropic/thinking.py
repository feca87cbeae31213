"""How much a model is to think. Pure.

OpenAI's ``reasoning_effort`` becomes ``effort`` for models that decide themselves how much they think, and for older
ones a budget of tokens: a share of what the answer may have, because on both sides thoughts count as answer. It is a
wish: where Anthropic would refuse it (no room, a tool that must be called, thoughts that were not sent back), it gives
way. Anthropic's own ``thinking`` is no wish, and goes through as it came.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from roundhouse.backends.kinds.anthropic.nature import Nature
from roundhouse.core.errors import SchemaError

Fields = dict[str, msgspec.Raw]

#: The least that Anthropic takes as a budget.
_LEAST = 1024
_PERCENT = {"minimal": 10, "low": 20, "medium": 50, "high": 80, "xhigh": 95, "max": 95}
#: What comes closest, where a model does not have a level.
_NEAREST = {"minimal": "low", "xhigh": "high", "max": "high"}
_OFF = {"type": "disabled"}
#: Without ``display`` the newest models think and do not show it.
_ADAPTIVE = {"type": "adaptive", "display": "summarized"}


class _Native(msgspec.Struct):
    type: str
    budget_tokens: int = 0


class _Reasoning(msgspec.Struct):
    effort: str | None = None
    enabled: bool | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Thinking:
    """What to say about thinking, and how long the answer may be with it."""

    max_tokens: int
    thinking: msgspec.Raw | dict[str, object] | None = None
    effort: str | None = None
    #: Whether it thinks because somebody said so: then it takes no ``temperature``.
    on: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """What thinking must fit into."""

    #: Tokens that the client allows, and those that are allowed when it does not say.
    limit: int | None
    usual: int
    #: Whether a budget would be refused, because a tool must be called or earlier thoughts are missing.
    closed: bool = False

    @property
    def max_tokens(self) -> int:
        """Tokens that the answer may have."""
        return self.usual if self.limit is None else self.limit


def thinking_of(given: Fields, nature: Nature, room: Room) -> Thinking:
    """What *given* says, in the words of a model of that *nature*. Raises SchemaError, msgspec.DecodeError."""
    if "thinking" in given:
        return _own(given["thinking"], room)
    wish = _wish(given)
    if wish.max_tokens is not None and nature.budget and not nature.adaptive:
        return _within(wish.max_tokens, room)
    effort = wish.effort
    if effort is None:
        effort = None if wish.enabled is None else "medium" if wish.enabled else "none"
    if effort is None and wish.max_tokens is None:
        return Thinking(room.max_tokens)
    if effort == "none":
        return _silent(nature, room)
    return _trying(effort, nature, room)


def _own(raw: msgspec.Raw, room: Room) -> Thinking:
    """Anthropic's own words; a budget that would leave no room for an answer nobody limited makes that longer."""
    native = msgspec.json.decode(raw, type=_Native)
    on = native.type != "disabled"
    longer = native.budget_tokens + room.usual if room.limit is None and native.budget_tokens else room.max_tokens
    return Thinking(longer, raw, on=on)


def _wish(given: Fields) -> _Reasoning:
    raw = given.get("reasoning_effort") or given.get("reasoning")
    if raw is None:
        return _Reasoning()
    wish = msgspec.json.decode(raw, type=str | _Reasoning)
    wish = _Reasoning(wish) if isinstance(wish, str) else wish
    if wish.effort is not None and wish.effort != "none" and wish.effort not in _PERCENT:
        message = f"reasoning_effort: there is none, {', '.join(_PERCENT)}, not {wish.effort!r}"
        raise SchemaError(message)
    return wish


def _silent(nature: Nature, room: Room) -> Thinking:
    """As little as it can."""
    if nature.adaptive and not nature.silent:
        return Thinking(room.max_tokens, effort="low")
    return Thinking(room.max_tokens, dict(_OFF) if nature.adaptive else None)


def _trying(effort: str | None, nature: Nature, room: Room) -> Thinking:
    if nature.adaptive:
        level = effort if effort in nature.efforts else _NEAREST.get(effort or "")
        return Thinking(room.max_tokens, dict(_ADAPTIVE), level if level in nature.efforts else None, on=True)
    if not nature.budget:
        return Thinking(room.max_tokens)
    return _within(room.max_tokens * _PERCENT[effort or "medium"] // 100, room)


def _within(budget: int, room: Room) -> Thinking:
    """A budget of so many tokens, or none where it would be refused."""
    most = room.max_tokens - 1
    if room.closed or most < _LEAST:
        return Thinking(room.max_tokens)
    budget = min(max(budget, _LEAST), most)
    return Thinking(room.max_tokens, {"type": "enabled", "budget_tokens": budget}, on=True)
