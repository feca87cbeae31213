"""The pages: what a person would rather look at than read. Knows nothing about how anything is done."""

from roundhouse.web.app import create_web

__all__ = ["create_web"]
