"""Deciding who asks and what they may do. Knows nothing about routes, files or HTTP frameworks."""
