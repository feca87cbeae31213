"""Which deployments have the same weights, by what they tell and what their names say. Knows nothing about requests."""

from roundhouse.routing.identity.evidence import Evidence, evidence_of
from roundhouse.routing.identity.groups import Grouped, Weights, group
from roundhouse.routing.identity.recogniser import Recogniser, Rules

__all__ = ["Evidence", "Grouped", "Recogniser", "Rules", "Weights", "evidence_of", "group"]
