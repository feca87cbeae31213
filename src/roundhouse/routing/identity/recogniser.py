"""Recognising the same weights again and again, as the owner wants it. Remembers what a fleet told the last time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate

from roundhouse.core.inference import Deployment
from roundhouse.routing.identity.evidence import Evidence, Reader
from roundhouse.routing.identity.groups import Grouped, group

_APART = "`same.apart` keeps it apart"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the owner says about models, whatever the evidence. Names are of models, or ids of deployments."""

    #: Lines of names that are one model each.
    together: tuple[tuple[str, ...], ...] = ()
    #: Names that are the same as nothing else, also by pattern; ``together`` is stronger.
    apart: tuple[str, ...] = ()


class Recogniser:
    """Which deployments have the same weights, now."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()
        patterns = [each for each in self._rules.apart if "*" in each or "?" in each]
        self._apart = frozenset(self._rules.apart).difference(patterns)
        self._patterns = (
            re.compile("|".join(translate(each.replace("[", "[[]")) for each in patterns)) if patterns else None
        )
        self._reader = Reader()
        self._evidence: Sequence[Evidence] = ()
        self._grouped = Grouped()

    def look(self, deployments: Iterable[Deployment]) -> Grouped:
        """Group *deployments*; the same object as before when they tell nothing new."""
        evidence = self._reader.read(deployments)
        if evidence != self._evidence:
            self._evidence = evidence
            known = [each if not self._is_apart(each) else replace(each, alone=_APART) for each in evidence]
            self._grouped = group(known, self._together(evidence))
        return self._grouped

    def _is_apart(self, evidence: Evidence) -> bool:
        names = (evidence.name, evidence.id)
        if not self._apart.isdisjoint(names):
            return True
        return self._patterns is not None and any(map(self._patterns.match, names))

    def _together(self, evidence: Sequence[Evidence]) -> list[frozenset[str]]:
        """The ids that each line means; a model comes before a deployment of that id, as when it is asked for."""
        line_of = {name: number for number, line in enumerate(self._rules.together) for name in line}
        models = {each.name for each in evidence} if line_of else set[str]()
        lines: list[set[str]] = [set() for _ in self._rules.together]
        for each in evidence if line_of else ():
            number = line_of.get(each.name, line_of.get(each.id) if each.id not in models else None)
            if number is not None:
                lines[number].add(each.id)
        return [frozenset(line) for line in lines]
