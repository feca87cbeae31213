"""Older revisions of models: which of them are kept, and which one is meant."""

from roundhouse.library.revisions.keeping import chosen, kept_beside

__all__ = ["chosen", "kept_beside"]
