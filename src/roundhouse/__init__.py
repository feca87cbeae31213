"""Roundhouse: get language models, keep them healthy, and serve them all at one address."""

__version__ = "0.1.0"
