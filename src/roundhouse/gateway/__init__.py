"""The model-facing border: dialects in, dialects out. Knows nothing about who serves, or where anything is kept."""

from roundhouse.gateway.app import BARE, Gateway
from roundhouse.gateway.body import Limits
from roundhouse.gateway.models import ModelEntry, Models

__all__ = ["BARE", "Gateway", "Limits", "ModelEntry", "Models"]
