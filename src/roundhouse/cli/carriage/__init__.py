"""Bodies larger than memory, to the server and from it. Knows nothing about what they hold."""

from roundhouse.cli.carriage.cargo import BLOCK, Cargo, load
from roundhouse.cli.carriage.drafts import unload, write_whole

__all__ = ["BLOCK", "Cargo", "load", "unload", "write_whole"]
