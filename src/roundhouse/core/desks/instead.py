"""What is here already, when what was asked for is somewhere else and nothing may leave this machine."""

from __future__ import annotations

import re
from collections.abc import Sequence

from roundhouse.core.errors import OfflineError

_WORDS = re.compile(r"[a-z]{2,}|\d+")
_SCHEME = re.compile(r"^(hf|ollama|https?|file):")
_MOST = 3


def refusal(wanted: str, here: Sequence[str]) -> OfflineError:
    """The error for *wanted*, which names those models that are *here* and most like it."""
    close = closest(wanted, here)
    message = f"{wanted.partition('?')[0]} needs the network, and Roundhouse is offline"
    if close:
        hint = f"here is {', '.join(close)}: talk to it with `roundhouse chat {close[0]}`"
    elif here:
        hint = "nothing like it is here; see what is with `roundhouse models ls`"
    else:
        hint = "no model is here: pull one from a folder, or leave --offline away"
    return OfflineError(message, hint=hint, details={"available": close})


def closest(wanted: str, here: Sequence[str]) -> list[str]:
    """Those of *here* that share most words with *wanted*, at most three."""
    words = _words(_SCHEME.sub("", wanted))
    shared = {name: words & _words(name) for name in here}
    # A number says little: every other name has a 3 in it.
    alike = [name for name in here if any(not word.isdecimal() for word in shared[name])]
    return sorted(alike, key=lambda name: (-len(shared[name]), name))[:_MOST]


def _words(name: str) -> set[str]:
    return set(_WORDS.findall(name.casefold())) - {"gguf", "instruct", "https", "com", "org"}
