"""What a chat template says about its model. Pure.

One that comes from elsewhere is not run in this process, only read.
"""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment, TemplateSyntaxError

#: Much longer than any real template.
_LONGEST_TEMPLATE = 256 << 10
#: What templates call the switch for thinking, or the thoughts of earlier turns.
_THINKING_NAMES = frozenset({"enable_thinking", "thinking", "thinking_budget", "reasoning_content", "reasoning_effort"})
#: What thoughts begin with.
_THINKING_MARKS = ("<think>", "[THINK]", "<thought>", "<seed:think>", "<|START_THINKING|>", "<|channel|>analysis")
_LEXER = Environment(autoescape=True)


@dataclass(frozen=True, slots=True)
class Said:
    """What a template makes of a model."""

    takes_tools: bool
    thinks: bool


def read_template(template: str) -> Said:
    """Look for the names and marks that templates use; one that cannot be read says nothing."""
    names, texts = _words(template)
    thinks = not _THINKING_NAMES.isdisjoint(names) or any(mark in text for text in texts for mark in _THINKING_MARKS)
    return Said("tools" in names, thinks)


def _words(template: str) -> tuple[set[str], list[str]]:
    """The names that a template uses, and its literal texts; none of one that no runtime could read either."""
    names: set[str] = set()
    texts: list[str] = []
    if len(template) > _LONGEST_TEMPLATE:
        return names, texts
    try:
        for _line, kind, text in _LEXER.lex(template):
            if kind == "name":
                names.add(text)
            elif kind in {"data", "string"}:
                texts.append(text)
    except TemplateSyntaxError:
        return set(), []
    return names, texts
