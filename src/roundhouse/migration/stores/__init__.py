"""The layouts that people already have. Reads them; changes nothing. Everything here blocks."""

from __future__ import annotations

from roundhouse.migration.stores.places import Place, Surroundings, kind_of, look, usual_places

__all__ = ["Place", "Surroundings", "kind_of", "look", "usual_places"]
