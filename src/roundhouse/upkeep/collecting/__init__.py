"""Cleaning up: what may go is decided by values alone, then done."""

from roundhouse.upkeep.collecting.collector import Collector, CollectorSettings, Outcome, Wish
from roundhouse.upkeep.collecting.plan import Goal, Verdict

__all__ = ["Collector", "CollectorSettings", "Goal", "Outcome", "Verdict", "Wish"]
