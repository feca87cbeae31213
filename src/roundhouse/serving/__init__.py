"""Doing what routing decided: attempts, fallback, records. Knows nothing about how the choice was made."""
