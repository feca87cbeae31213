"""The management API: REST under ``/api/v1``. Knows nothing about how anything is done."""

from roundhouse.api.app import create_api
from roundhouse.api.border import Limits

__all__ = ["Limits", "create_api"]
