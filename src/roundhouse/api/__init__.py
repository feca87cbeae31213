"""The management API: REST under ``/api/v1``. Knows nothing about how anything is done."""

from roundhouse.api.app import create_api

__all__ = ["create_api"]
