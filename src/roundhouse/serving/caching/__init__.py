"""Answers that were given before. Knows nothing about who keeps their bytes, nor about HTTP."""
