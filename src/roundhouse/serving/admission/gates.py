"""The gates of all backends, one per physical backend: two names for one machine share its slots."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from roundhouse.serving.admission.gate import Gate
from roundhouse.serving.admission.rules import GateRules

_OPEN = GateRules()


class Gates:
    """Every gate, by the name of its backend."""

    __slots__ = ("_by_name", "_now", "_places", "_rules")

    def __init__(
        self,
        now: Callable[[], float],
        rules: Mapping[str, GateRules] | None = None,
        places: Mapping[str, str] | None = None,
    ) -> None:
        self._now = now
        self._rules = dict(rules or {})
        #: Where each backend is, when several may be at the same place; the first name's rules hold for all of them.
        self._places = dict(places or {})
        self._by_name: dict[str, Gate] = {}

    def of(self, backend: str) -> Gate:
        """The gate of one backend."""
        gate = self._by_name.get(backend)
        return self._made(backend) if gate is None else gate

    def admit(self, backend: str, rules: GateRules, place: str | None) -> None:
        """Take in a backend that came later, with its rules."""
        self._rules[backend] = rules
        if place is not None:
            self._places[backend] = place

    def dismiss(self, backend: str) -> Gate | None:
        """Forget one, and return its gate, which those who are inside still leave."""
        self._rules.pop(backend, None)
        self._places.pop(backend, None)
        return self._by_name.pop(backend, None)

    def _made(self, backend: str) -> Gate:
        place = self._places.get(backend)
        for name, gate in self._by_name.items():
            if place is not None and self._places.get(name) == place:
                self._by_name[backend] = gate
                return gate
        gate = self._by_name[backend] = Gate(backend, self._rules.get(backend, _OPEN), self._now)
        return gate
