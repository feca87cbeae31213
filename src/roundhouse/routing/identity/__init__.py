"""Which deployments have the same weights, by what they tell and what their names say. Knows nothing about requests."""

from roundhouse.routing.identity.evidence import Evidence, Reader, evidence_of
from roundhouse.routing.identity.groups import Grouped, Weights, group

__all__ = ["Evidence", "Grouped", "Reader", "Weights", "evidence_of", "group"]
