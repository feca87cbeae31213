"""Adopting the models that other programs have on this machine, with a way back."""

from __future__ import annotations

from roundhouse.migration.adopting import Hall
from roundhouse.migration.found import Kind
from roundhouse.migration.migrations import Limits, Migrations, Outcome
from roundhouse.migration.planning import MigrationPlan, Mode, OnConflict, Step, Wish
from roundhouse.migration.stores import Surroundings

__all__ = [
    "Hall",
    "Kind",
    "Limits",
    "MigrationPlan",
    "Migrations",
    "Mode",
    "OnConflict",
    "Outcome",
    "Step",
    "Surroundings",
    "Wish",
]
