"""Caches that several nodes share. Knows nothing about what is kept in them."""
