"""How large a context a request gets, at runtimes that load a model with the one that they are told. Pure.

They load it anew whenever that changes, and some cut a prompt that does not fit without a word. So the window only
grows, in few steps, while a model is in memory, and what can never fit is refused with its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from roundhouse.core.errors import SchemaError

_FIRST = 4096
#: Room for an answer whose length nobody limited.
_ANSWER = 2048
#: The prompt is estimated from its bytes: it gets this much more than that.
_SLACK_PERCENT, _SLACK = 15, 64


@dataclass(frozen=True, slots=True)
class Reach:
    """Between which sizes the window of one model may be."""

    #: What the model was made for, or less if somebody said so; ``None`` when nobody knows.
    largest: int | None
    smallest: int = _FIRST
    #: What somebody fixed it to.
    fixed: int | None = None

    @property
    def served(self) -> int | None:
        """Tokens that a request may need at most."""
        if self.fixed is None or self.largest is None:
            return self.fixed or self.largest
        return min(self.fixed, self.largest)


def window_for(prompt: int, answer: int | None, reach: Reach, loaded: int | None = None) -> int:
    """The window for *prompt* tokens and an answer of *answer*; the one that is *loaded* when that does.

    Raises:
        SchemaError: the two cannot fit, and the numbers.

    """
    served = reach.served
    if served is not None and prompt + (answer or 1) > served:
        raise too_long(prompt, answer, served)
    need = prompt + prompt * _SLACK_PERCENT // 100 + _SLACK + (_ANSWER if answer is None else answer)
    if reach.fixed is None and loaded is not None and (loaded >= need or loaded == served):
        return loaded
    return rounded(max(need, loaded or 0), reach)


def rounded(need: int, reach: Reach) -> int:
    """The next step that holds *need*: doublings, so that a growing conversation reloads a handful of times."""
    if reach.fixed is not None:
        return reach.served or reach.fixed
    window = max(reach.smallest, 1)
    while window < need:
        window *= 2
    return window if reach.served is None else min(window, reach.served)


def next_larger(window: int, reach: Reach) -> int | None:
    """The step after *window*; ``None`` when there is none."""
    if reach.fixed is not None or (reach.served is not None and window >= reach.served):
        return None
    return rounded(window + 1, reach)


def too_long(prompt: int, answer: int | None, served: int) -> SchemaError:
    """The refusal of what cannot fit."""
    asked = f"about {prompt} tokens of prompt" + (f" and {answer} of answer" if answer else "")
    message = f"{asked} do not fit the {served} tokens that this model can have as its context"
    details: dict[str, object] = {"prompt_tokens": prompt, "max_tokens": answer, "context": served}
    return SchemaError(message, hint="ask for less, or choose a model with a larger context", details=details)
