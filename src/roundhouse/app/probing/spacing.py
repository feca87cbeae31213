"""How often one backend is asked what it has in memory because calls have loaded something there. Asks nobody."""

from __future__ import annotations

from dataclasses import dataclass

#: Seconds between two questions: at first, and at most.
LEAST_S, MOST_S = 1.0, 30.0


@dataclass(slots=True)
class Spacing:
    """Twice as long each time that nothing had changed: what leaves memory with each answer is never seen there."""

    #: When it may be asked again.
    next_at: float = 0.0
    apart_s: float = 0.0

    def asked(self, now: float) -> None:
        """It is being asked."""
        self.apart_s = min(max(LEAST_S, 2 * self.apart_s), MOST_S)
        self.next_at = now + self.apart_s

    def changed(self, now: float) -> None:
        """There was something to hear."""
        self.apart_s = 0.0
        self.next_at = min(self.next_at, now + LEAST_S)
