"""The command line."""

from roundhouse.cli.main import main

__all__ = ["main"]
