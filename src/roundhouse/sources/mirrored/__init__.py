"""A hub that is reached through a copy of it."""

from roundhouse.sources.mirrored.source import Hub, MirroredHub

__all__ = ["Hub", "MirroredHub"]
