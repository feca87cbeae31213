"""What an answer waits for, in words: the comments that begin a stream. Knows nothing about where they are shown."""

from __future__ import annotations

import re

from roundhouse.cli import wording

_WORD = re.compile(r"(position|progress|eta_s)=([0-9]{1,9}(?:\.[0-9]{1,4})?)")
_FEW_S = 10
_REASONS = ("queued", "loading", "waiting")


def told(comment: str) -> str | None:
    """``queued, place 3, about 12 s`` of ``queued position=3 eta_s=12``; ``None`` of what tells nothing."""
    reason, _, rest = comment.partition(" ")
    if reason not in _REASONS:
        return None
    known = {found[1]: float(found[2]) for found in map(_WORD.fullmatch, rest.split()) if found is not None}
    parts = [reason]
    if "position" in known:
        parts.append(f"place {known['position']:.0f}")
    if "progress" in known:
        parts.append(f"{100 * known['progress']:.0f} %")
    if "eta_s" in known:
        seconds = known["eta_s"]
        # It is a guess, so it has no tenths.
        parts.append(f"about {seconds:.0f} s" if seconds < _FEW_S else f"about {wording.duration(seconds)}")
    return ", ".join(parts) if len(parts) > 1 else f"{reason} …"
