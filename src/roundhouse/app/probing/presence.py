"""Which backends are away, whoever noticed: told once when one is lost, and once when it is back."""

from __future__ import annotations

from roundhouse.core.events import BackendLost, BackendRecovered, Events


class Presence:
    """All backends. One is away while anybody who looks finds it so."""

    def __init__(self) -> None:
        #: Told of backends that are lost and found.
        self.events = Events()
        self._troubles: dict[str, dict[str, str]] = {}

    def note(self, backend: str, by: str, trouble: str | None) -> None:
        """Take what *by* found: the trouble, or ``None`` when there is none."""
        troubles = self._troubles.setdefault(backend, {})
        was_away = bool(troubles)
        if trouble is None:
            troubles.pop(by, None)
        else:
            troubles[by] = trouble
        if trouble is not None and not was_away:
            self.events.publish(BackendLost(backend, trouble))
        elif was_away and not troubles:
            self.events.publish(BackendRecovered(backend))

    def forget(self, backend: str) -> None:
        """Let go of one that was taken away: it is neither lost nor back."""
        self._troubles.pop(backend, None)

    def trouble(self, backend: str, by: str | None = None) -> str | None:
        """What *by*, or anybody, found; ``None`` when nothing."""
        troubles = self._troubles.get(backend, {})
        return next(iter(troubles.values()), None) if by is None else troubles.get(by)
